#include "rank_judge.h"

#include <algorithm>
#include <array>
#include <sstream>
#include <string_view>

#include "genvinci/core/error.h"

namespace genvinci {
namespace {

constexpr std::array<std::string_view, 5> kStates = {"alive", "stuck", "done", "failed", "stopped"};

bool BeganFewer(const RankJudge::Peer& a, const RankJudge::Peer& b) { return a.beat.collectives < b.beat.collectives; }

}  // namespace

std::string Beat::Encode() const {
  return fmt::format("{} {} {} {} {} {} {}", number, step, collectives, lost, kStates[static_cast<size_t>(state)],
                     signal, text);
}

Beat Beat::Parse(const std::string& encoded) {
  Beat beat;
  std::string state;
  std::istringstream parts(encoded);
  parts >> beat.number >> beat.step >> beat.collectives >> beat.lost >> state >> beat.signal;
  const auto known = std::find(kStates.begin(), kStates.end(), state);
  if (!parts || known == kStates.end())
    throw InternalError("BUG", "a rank's beat '{}' is not as it was written", encoded.substr(0, 100));
  beat.state = static_cast<State>(known - kStates.begin());
  parts.get();
  std::getline(parts, beat.text);
  return beat;
}

std::string Verdict::Encode() const { return fmt::format("{} {} {}", name, signal, text); }

Verdict Verdict::Parse(const std::string& encoded) {
  Verdict verdict;
  std::istringstream parts(encoded);
  parts >> verdict.name >> verdict.signal;
  if (!parts) throw InternalError("BUG", "the verdict '{}' is not as it was written", encoded.substr(0, 100));
  parts.get();
  std::getline(parts, verdict.text);
  return verdict;
}

void RankJudge::Hear(int rank, const Beat& beat, Duration now) {
  Peer& peer = Mutable(rank);
  if (beat.collectives != peer.beat.collectives) peer.moved = now;
  if (beat.number != peer.beat.number || beat.state != peer.beat.state) peer.heard = now;
  peer.beat = beat;
}

bool RankJudge::IsSuspect(int rank, Duration now) const {
  return At(rank).is_here && now - At(rank).heard > 2 * kPeriod;
}

bool RankJudge::IsLost(int rank, Duration now) const {
  const Beat::State state = At(rank).beat.state;
  const bool has_said_why =
      state == Beat::State::kDone || state == Beat::State::kFailed || state == Beat::State::kStopped;
  return At(rank).has_ended && IsSuspect(rank, now) && !has_said_why;
}

void RankJudge::Note(Duration now) {
  if (!AnyIsStuck())
    stuck_since_.reset();
  else if (!stuck_since_)
    stuck_since_ = now;
  const auto fastest = std::max_element(peers_.begin(), peers_.end(), BeganFewer);
  for (Peer& peer : peers_) {
    if (!BeganFewer(peer, *fastest)) peer.moved = now;
  }
}

std::optional<Verdict> RankJudge::Judge(Duration now) const {
  for (const int rank : rules_.watched) {
    if (const auto verdict = JudgePeer(rank, now)) return verdict;
  }
  return rules_.self == 0 ? JudgeCollectives(now) : std::nullopt;
}

std::optional<Verdict> RankJudge::JudgePeer(int rank, Duration now) const {
  const Peer& peer = At(rank);
  const Duration silence = now - peer.heard;
  const auto died = [&](int who) { return Verdict{"RANK_DEAD", fmt::format("{} has died: {}", Name(who), kGoOn)}; };
  switch (peer.beat.state) {
    case Beat::State::kDone:
      return std::nullopt;
    case Beat::State::kFailed:
      return Verdict{"RANK_FAILED", fmt::format("{} stopped: {}", Name(rank), peer.beat.text)};
    case Beat::State::kStopped:
      // Those that have agreed on it leave together.
      if (silence <= kGrace) return std::nullopt;
      return Verdict{"RANK_STOPPED", fmt::format("{} was stopped by signal {}", Name(rank), peer.beat.signal),
                     peer.beat.signal};
    case Beat::State::kAlive:
    case Beat::State::kStuck:
      break;
  }
  if (peer.beat.lost >= 0) return died(peer.beat.lost);
  if (IsSuspect(rank, now) && peer.has_ended) return died(rank);
  // Another host's silence is a pause as long as nobody waits for it in vain.
  if (!peer.is_here && AnyIsStuck() && silence > kSilence) return died(rank);
  if (silence > rules_.timeout)
    return Verdict{"RANK_HUNG",
                   fmt::format("{} has not answered for {:.0f} s: {}", Name(rank), rules_.timeout.count(), kGoOn)};
  return std::nullopt;
}

// Where calls are not completed although every rank lives, the others wait for the one that has begun fewer of them:
// known at once when a call has failed, else after the timeout.
std::optional<Verdict> RankJudge::JudgeCollectives(Duration now) const {
  const auto [slowest, fastest] = std::minmax_element(peers_.begin(), peers_.end(), BeganFewer);
  auto late =
      std::find_if(peers_.begin(), peers_.end(), [&](const Peer& peer) { return now - peer.moved > rules_.timeout; });
  const bool has_failed = stuck_since_ && now - *stuck_since_ >= 4 * kPeriod;
  if (late == peers_.end() && has_failed && BeganFewer(*slowest, *fastest)) late = slowest;
  if (late == peers_.end()) return std::nullopt;
  const int rank = static_cast<int>(late - peers_.begin());
  return Verdict{"RANK_HUNG", fmt::format("{} has not come to where the others are (collective {} of {}): {}",
                                          Name(rank), late->beat.collectives, fastest->beat.collectives, kGoOn)};
}

bool RankJudge::AnyIsStuck() const {
  return std::any_of(peers_.begin(), peers_.end(),
                     [](const Peer& peer) { return peer.beat.state == Beat::State::kStuck; });
}

std::string RankJudge::Name(int rank) const {
  const Peer& peer = At(rank);
  return fmt::format("rank {} of {} on {} (pid {}, step {})", rank, peers_.size(), peer.host, peer.pid, peer.beat.step);
}

}  // namespace genvinci
