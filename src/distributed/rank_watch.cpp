#include "rank_watch.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <sstream>

namespace genvinci {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr auto kPeriod = milliseconds(250);
// A machine that is short of processors may keep a thread waiting for a moment.
constexpr auto kSilence = seconds(3);
constexpr auto kGrace = seconds(2);
constexpr std::string_view kStuck = "stuck ";
constexpr const char* kVerdictKey = "verdict";
constexpr const char* kGoOn = "go on with --resume auto";

std::string BeatKey(int rank) { return fmt::format("beat/{}", rank); }

std::string TextOf(const std::vector<uint8_t>& bytes) { return {bytes.begin(), bytes.end()}; }

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
    : store_(std::move(store)), options_(std::move(options)), peers_(static_cast<size_t>(options_.world)) {
  for (int rank = 0; rank < options_.world; ++rank) {
    std::istringstream who(store_->get_to_str(fmt::format("who/{}", rank)));
    who >> peers_[static_cast<size_t>(rank)].host >> peers_[static_cast<size_t>(rank)].pid;
    if (rank != options_.rank && (options_.rank == 0 || rank == 0)) watched_.push_back(rank);
  }
  if (options_.rank == 0) store_->set(kVerdictKey, std::string());
  Beat();
  for (const int rank : watched_) keys_.push_back(BeatKey(rank));
  keys_.push_back(kVerdictKey);
  store_->wait(keys_);
  for (Peer& peer : peers_) peer.changed = Clock::now();
  last_round_ = Clock::now();
  thread_ = std::thread([this] { Loop(); });
  guard_ = std::thread([this] { Guard(); });
}

void RankWatch::Leave(std::unique_ptr<RankWatch> watch) {
  bool has_finished = false;
  {
    std::unique_lock lock(watch->mutex_);
    watch->leaving_ = true;
    if (!watch->state_.starts_with("failed ")) watch->state_ = "done";
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
  {
    const std::lock_guard lock(mutex_);
    state_ = "stuck " + what;
  }
  for (const auto end = Clock::now() + kSilence + kGrace; Clock::now() < end;) {
    Check();
    std::this_thread::sleep_for(milliseconds(50));
  }
  Throw({"RANK_HUNG", fmt::format("rank {}: {}: {}", options_.rank, what, kGoOn)});
}

void RankWatch::SayFailed(const std::string& line) {
  {
    const std::lock_guard lock(mutex_);
    state_ = "failed " + line;
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
      Beat();
      if (!leaving && !Known()) ReadPeers();
      const std::lock_guard lock(mutex_);
      last_round_ = Clock::now();
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
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      if (wake_.wait_for(lock, kPeriod, [&] { return leaving_; })) return;
      if (!verdict_ && !has_finished_ && Clock::now() - last_round_ > options_.rank_timeout) {
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
  store_->set(BeatKey(options_.rank), fmt::format("{} {} {} {}", ++beats_, step_.load(), collectives_.load(), state));
}

void RankWatch::ReadPeers() {
  const std::vector<std::vector<uint8_t>> values = store_->multiGet(keys_);
  for (size_t i = 0; i < watched_.size(); ++i) ReadPeer(watched_[i], TextOf(values[i]));
  const std::string told = TextOf(values.back());
  if (!told.empty()) {
    const size_t space = told.find(' ');
    Settle({told.substr(0, space), told.substr(space + 1)});
    return;
  }
  std::optional<Verdict> verdict;
  for (size_t i = 0; i < watched_.size() && !verdict; ++i) verdict = Judge(watched_[i]);
  if (!verdict && options_.rank == 0) verdict = JudgeStuck();
  if (!verdict) return;
  if (options_.rank == 0) store_->set(kVerdictKey, verdict->name + " " + verdict->text);
  Settle(*verdict);
}

void RankWatch::ReadPeer(int rank, const std::string& beat) {
  Peer& peer = peers_[static_cast<size_t>(rank)];
  if (beat == peer.beat) return;
  peer.beat = beat;
  peer.changed = Clock::now();
  std::istringstream parts(beat);
  int64_t number = 0;
  parts >> number >> peer.step >> peer.collectives >> std::ws;
  std::getline(parts, peer.state);
}

std::optional<RankWatch::Verdict> RankWatch::Judge(int rank) {
  const Peer& peer = peers_[static_cast<size_t>(rank)];
  constexpr std::string_view kFailed = "failed ";
  if (peer.state == "done") return std::nullopt;
  if (peer.state.starts_with(kFailed))
    return Verdict{"RANK_FAILED", fmt::format("{} stopped: {}", Name(rank), peer.state.substr(kFailed.size()))};
  const auto silence = Clock::now() - peer.changed;
  const bool is_here = peer.host == peers_[static_cast<size_t>(options_.rank)].host;
  if ((is_here && silence > 2 * kPeriod && HasEnded(peer.pid)) || (!is_here && IsStuck() && silence > kSilence))
    return Verdict{"RANK_DEAD", fmt::format("{} has died: {}", Name(rank), kGoOn)};
  if (silence > options_.rank_timeout)
    return Verdict{"RANK_HUNG", fmt::format("{} has not answered for {:.0f} s: {}", Name(rank),
                                            options_.rank_timeout.count(), kGoOn)};
  return std::nullopt;
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
  ::_exit(static_cast<int>(ExitCode::kRankLost));
}

std::optional<RankWatch::Verdict> RankWatch::Known() {
  const std::lock_guard lock(mutex_);
  return verdict_;
}

std::string RankWatch::Name(int rank) const {
  const Peer& peer = peers_[static_cast<size_t>(rank)];
  return fmt::format("rank {} of {} on {} (pid {}, step {})", rank, options_.world, peer.host, peer.pid, peer.step);
}

// Calls that failed although every rank lives: it is the rank that has begun fewer of them that the others wait for.
std::optional<RankWatch::Verdict> RankWatch::JudgeStuck() {
  const auto is_stuck = [&](const Peer& peer) { return peer.state.starts_with(kStuck); };
  const bool any = IsStuck() || std::any_of(peers_.begin(), peers_.end(), is_stuck);
  if (!any) {
    stuck_since_.reset();
    return std::nullopt;
  }
  if (!stuck_since_) stuck_since_ = Clock::now();
  if (Clock::now() - *stuck_since_ < 4 * kPeriod) return std::nullopt;
  int slowest = options_.rank;
  int64_t least = collectives_, most = collectives_;
  for (const int rank : watched_) {
    const int64_t count = peers_[static_cast<size_t>(rank)].collectives;
    if (count < least) slowest = rank;
    least = std::min(least, count);
    most = std::max(most, count);
  }
  if (least == most) return std::nullopt;
  return Verdict{"RANK_HUNG", fmt::format("{} has not come to where the others are (collective {} of {}): {}",
                                          Name(slowest), least, most, kGoOn)};
}

bool RankWatch::IsStuck() {
  const std::lock_guard lock(mutex_);
  return state_.starts_with(kStuck);
}

void RankWatch::Throw(const Verdict& verdict) { throw RankError(verdict.name, "{}", verdict.text); }

}  // namespace genvinci
