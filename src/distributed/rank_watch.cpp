#include "rank_watch.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <utility>

namespace genvinci {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr auto kPeriod = milliseconds(250);
// A machine that is short of processors may keep a thread waiting for a moment.
constexpr auto kSilence = seconds(3);
constexpr auto kGrace = seconds(2);
constexpr std::string_view kStuck = "stuck ", kFailed = "failed ", kStopped = "stopped ";
constexpr const char* kVerdictKey = "verdict";
constexpr const char* kGoOn = "go on with --resume auto";

std::string BeatKey(int rank) { return fmt::format("beat/{}", rank); }

std::string TextOf(const std::vector<uint8_t>& bytes) { return {bytes.begin(), bytes.end()}; }

std::string FirstLine(const std::string& text) { return text.substr(0, text.find('\n')); }

// Gone, or dead and not yet reaped by its parent.
bool HasEnded(int pid) {
  if (::kill(pid, 0) != 0 && errno == ESRCH) return true;
  std::ifstream file(fmt::format("/proc/{}/stat", pid));
  std::string text;
  if (!std::getline(file, text)) return false;
  const size_t name_end = text.rfind(')');
  return name_end != std::string::npos && name_end + 2 < text.size() && text[name_end + 2] == 'Z';
}

}  // namespace

RankWatch::RankWatch(c10::intrusive_ptr<c10d::Store> store, RankWatchOptions options)
    : store_(std::move(store)),
      options_(std::move(options)),
      peers_(static_cast<size_t>(options_.world)),
      clock_(kPeriod) {
  for (int rank = 0; rank < options_.world; ++rank) {
    Peer& peer = peers_[static_cast<size_t>(rank)];
    std::istringstream who(store_->get_to_str(fmt::format("who/{}", rank)));
    who >> peer.host >> peer.pid >> peer.place;
    if (rank != options_.rank && (options_.rank == 0 || rank == 0)) watched_.push_back(rank);
  }
  for (int rank = 1; rank < options_.world && !IsHere(peers_[0]); ++rank) {
    if (rank != options_.rank && IsHere(peers_[static_cast<size_t>(rank)])) neighbours_.push_back(rank);
  }
  if (options_.rank == 0) store_->set(kVerdictKey, std::string());
  Beat();
  for (const int rank : watched_) keys_.push_back(BeatKey(rank));
  keys_.push_back(kVerdictKey);
  try {
    store_->wait(keys_, std::chrono::ceil<milliseconds>(options_.init_timeout));
  } catch (const std::exception& error) {
    throw RankError("RANK_MISSING", "rank {} of {}: a rank that had come was gone again before all had met: {}",
                    options_.rank, options_.world, FirstLine(error.what()));
  }
  thread_ = std::thread([this] { Loop(); });
  guard_ = std::thread([this] { Guard(); });
}

void RankWatch::Leave(std::unique_ptr<RankWatch> watch) {
  bool has_finished = false;
  {
    std::unique_lock lock(watch->mutex_);
    watch->leaving_ = true;
    const std::string& state = watch->state_;
    if (!state.starts_with(kFailed) && !state.starts_with(kStopped)) watch->state_ = "done";
    watch->wake_.notify_all();
    has_finished = watch->wake_.wait_for(lock, kGrace, [&] { return watch->has_finished_; });
  }
  watch->guard_.join();
  if (has_finished) return;
  watch->thread_.detach();
  watch.release();
}

RankWatch::~RankWatch() {
  if (thread_.joinable()) thread_.join();
}

void RankWatch::Check() {
  if (const auto verdict = Known()) Throw(*verdict);
}

void RankWatch::Blame(const std::string& what) {
  Say(std::string(kStuck) + what);
  for (const auto end = Clock::now() + kSilence + kGrace; Clock::now() < end;) {
    Check();
    std::this_thread::sleep_for(milliseconds(50));
  }
  Throw({"RANK_HUNG", fmt::format("rank {}: {}: {}", options_.rank, what, kGoOn)});
}

void RankWatch::SayFailed(const std::string& line) { Say(std::string(kFailed) + line); }

void RankWatch::SayStopped(int signal) { Say(fmt::format("{}{}", kStopped, signal)); }

void RankWatch::Say(const std::string& state) {
  {
    const std::lock_guard lock(mutex_);
    state_ = state;
  }
  wake_.notify_all();
}

void RankWatch::Loop() {
  // The thread's edge: the store's errors are its verdict.
  try {
    for (bool leaving = false; !leaving;) {
      {
        std::unique_lock lock(mutex_);
        wake_.wait_for(lock, kPeriod, [&] { return leaving_; });
        leaving = leaving_;
      }
      clock_.Tick();
      Beat();
      if (!leaving && !Known()) ReadPeers();
      const std::lock_guard lock(mutex_);
      ++rounds_;
    }
  } catch (const std::exception& error) {
    if (options_.store_is_rank0 && options_.rank != 0) {
      Settle({"RANK_DEAD",
              fmt::format("{} has died, and with it the store at {}: {}", Name(0), options_.store_name, kGoOn)});
    } else {
      Settle({"RANK_STORE", fmt::format("the store at {} is gone: {}", options_.store_name, kGoOn)});
    }
  }
  const std::lock_guard lock(mutex_);
  has_finished_ = true;
  wake_.notify_all();
}

void RankWatch::Guard() {
  AttendedClock clock(kPeriod);
  int64_t round = 0;
  Duration answered{0};
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      if (wake_.wait_for(lock, kPeriod, [&] { return leaving_; })) return;
      clock.Tick();
      if (std::exchange(round, rounds_) != rounds_) answered = clock.now();
      if (!verdict_ && !has_finished_ && clock.now() - answered > options_.rank_timeout) {
        const std::string who =
            options_.store_is_rank0 ? Name(0) + ", which serves the store," : "the store at " + options_.store_name;
        verdict_ = {options_.store_is_rank0 ? "RANK_HUNG" : "RANK_STORE",
                    fmt::format("{} has not answered for {:.0f} s: {}", who, options_.rank_timeout.count(), kGoOn)};
      }
      if (!verdict_) continue;
    }
    EndUnlessLeft();
    return;
  }
}

void RankWatch::Beat() {
  std::string state;
  {
    const std::lock_guard lock(mutex_);
    state = state_;
  }
  store_->set(BeatKey(options_.rank),
              fmt::format("{} {} {} {} {}", ++beats_, step_.load(), collectives_.load(), lost_, state));
}

void RankWatch::ReadPeers() {
  const std::vector<std::vector<uint8_t>> values = store_->multiGet(keys_);
  Peer& self = peers_[static_cast<size_t>(options_.rank)];
  self.step = step_;
  SetCollectives(self, collectives_);
  for (size_t i = 0; i < watched_.size(); ++i) ReadPeer(watched_[i], TextOf(values[i]));
  const std::string told = TextOf(values.back());
  if (!told.empty()) {
    std::istringstream parts(told);
    Verdict verdict;
    parts >> verdict.name >> verdict.signal >> std::ws;
    std::getline(parts, verdict.text);
    Settle(verdict);
    return;
  }
  LookAround();
  std::optional<Verdict> verdict;
  for (size_t i = 0; i < watched_.size() && !verdict; ++i) verdict = Judge(watched_[i]);
  if (!verdict && options_.rank == 0) verdict = JudgeCollectives();
  if (!verdict) return;
  if (options_.rank == 0)
    store_->set(kVerdictKey, fmt::format("{} {} {}", verdict->name, verdict->signal, verdict->text));
  Settle(*verdict);
}

void RankWatch::ReadPeer(int rank, const std::string& beat) {
  Peer& peer = peers_[static_cast<size_t>(rank)];
  if (beat == peer.beat) return;
  peer.beat = beat;
  peer.changed = clock_.now();
  std::istringstream parts(beat);
  int64_t number = 0, collectives = 0;
  parts >> number >> peer.step >> collectives >> peer.lost >> std::ws;
  std::getline(parts, peer.state);
  SetCollectives(peer, collectives);
}

void RankWatch::SetCollectives(Peer& peer, int64_t count) {
  if (std::exchange(peer.collectives, count) != count) peer.moved = clock_.now();
}

std::optional<RankWatch::Verdict> RankWatch::Judge(int rank) {
  const Peer& peer = peers_[static_cast<size_t>(rank)];
  const auto silence = clock_.now() - peer.changed;
  if (peer.state == "done") return std::nullopt;
  if (peer.state.starts_with(kFailed))
    return Verdict{"RANK_FAILED", fmt::format("{} stopped: {}", Name(rank), peer.state.substr(kFailed.size()))};
  if (peer.state.starts_with(kStopped)) {
    // Those that have agreed on it leave together.
    if (silence <= kGrace) return std::nullopt;
    const int signal = std::stoi(peer.state.substr(kStopped.size()));
    return Verdict{"RANK_STOPPED", fmt::format("{} was stopped by signal {}", Name(rank), signal), signal};
  }
  if (peer.lost >= 0) return Verdict{"RANK_DEAD", fmt::format("{} has died: {}", Name(peer.lost), kGoOn)};
  const bool is_here = IsHere(peer);
  if ((is_here && silence > 2 * kPeriod && HasEnded(peer.pid)) || (!is_here && AnyIsStuck() && silence > kSilence))
    return Verdict{"RANK_DEAD", fmt::format("{} has died: {}", Name(rank), kGoOn)};
  if (silence > options_.rank_timeout)
    return Verdict{"RANK_HUNG", fmt::format("{} has not answered for {:.0f} s: {}", Name(rank),
                                            options_.rank_timeout.count(), kGoOn)};
  return std::nullopt;
}

// NCCL does not tell that a process is gone, and silence alone may be a pause.
void RankWatch::LookAround() {
  for (const int rank : neighbours_) {
    Peer& peer = peers_[static_cast<size_t>(rank)];
    if (!HasEnded(peer.pid)) continue;
    ReadPeer(rank, store_->get_to_str(BeatKey(rank)));
    const bool has_said_so =
        peer.state == "done" || peer.state.starts_with(kFailed) || peer.state.starts_with(kStopped);
    if (!has_said_so && clock_.now() - peer.changed > 2 * kPeriod) lost_ = rank;
  }
}

void RankWatch::Settle(const Verdict& verdict) {
  const std::lock_guard lock(mutex_);
  if (!verdict_) verdict_ = verdict;
}

// Whoever computes, or waits where nothing wakes it (a hung collective of NCCL), does not hold up the end of all.
void RankWatch::EndUnlessLeft() {
  std::unique_lock lock(mutex_);
  if (wake_.wait_for(lock, kGrace, [&] { return leaving_; })) return;
  std::fprintf(stderr, "genvinci: error[%s]: %s\n", verdict_->name.c_str(), verdict_->text.c_str());
  std::fflush(stderr);
  ::_exit(static_cast<int>(verdict_->signal ? Interrupted(verdict_->signal, "").exit_code() : ExitCode::kRankLost));
}

std::optional<RankWatch::Verdict> RankWatch::Known() {
  const std::lock_guard lock(mutex_);
  return verdict_;
}

std::string RankWatch::Name(int rank) const {
  const Peer& peer = peers_[static_cast<size_t>(rank)];
  return fmt::format("rank {} of {} on {} (pid {}, step {})", rank, options_.world, peer.host, peer.pid, peer.step);
}

// Where calls are not completed although every rank lives, the others wait for the one that has begun fewer of them:
// known at once when a call has failed, else after the timeout.
std::optional<RankWatch::Verdict> RankWatch::JudgeCollectives() {
  if (!AnyIsStuck())
    stuck_since_.reset();
  else if (!stuck_since_)
    stuck_since_ = clock_.now();
  const auto fewer = [](const Peer& a, const Peer& b) { return a.collectives < b.collectives; };
  const auto [slowest, fastest] = std::minmax_element(peers_.begin(), peers_.end(), fewer);
  for (Peer& peer : peers_) {
    if (!fewer(peer, *fastest)) peer.moved = clock_.now();
  }
  auto late = std::find_if(peers_.begin(), peers_.end(),
                           [&](const Peer& peer) { return clock_.now() - peer.moved > options_.rank_timeout; });
  const bool has_failed = stuck_since_ && clock_.now() - *stuck_since_ >= 4 * kPeriod;
  if (late == peers_.end() && has_failed && fewer(*slowest, *fastest)) late = slowest;
  if (late == peers_.end()) return std::nullopt;
  const int rank = static_cast<int>(late - peers_.begin());
  return Verdict{"RANK_HUNG", fmt::format("{} has not come to where the others are (collective {} of {}): {}",
                                          Name(rank), late->collectives, fastest->collectives, kGoOn)};
}

bool RankWatch::AnyIsStuck() {
  const std::lock_guard lock(mutex_);
  return state_.starts_with(kStuck) ||
         std::any_of(peers_.begin(), peers_.end(), [](const Peer& peer) { return peer.state.starts_with(kStuck); });
}

bool RankWatch::IsHere(const Peer& peer) const {
  return peer.place == peers_[static_cast<size_t>(options_.rank)].place;
}

void RankWatch::Throw(const Verdict& verdict) {
  if (verdict.signal) throw Interrupted(verdict.signal, verdict.text);
  throw RankError(verdict.name, "{}", verdict.text);
}

}  // namespace genvinci
