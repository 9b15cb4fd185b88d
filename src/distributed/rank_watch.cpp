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

constexpr auto kPeriod = RankJudge::kPeriod;
constexpr const char* kVerdictKey = "verdict";

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
    : store_(std::move(store)), options_(std::move(options)), clock_(kPeriod), judge_(MakeJudge()) {
  if (options_.rank == 0) store_->set(kVerdictKey, std::string());
  SendBeat();
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

RankJudge RankWatch::MakeJudge() {
  std::vector<RankJudge::Peer> peers(static_cast<size_t>(options_.world));
  std::vector<std::string> places(peers.size());  // host, boot and process namespace
  for (size_t rank = 0; rank < peers.size(); ++rank) {
    std::istringstream who(store_->get_to_str(fmt::format("who/{}", rank)));
    who >> peers[rank].host >> peers[rank].pid >> places[rank];
  }
  const auto is_here = [&](int rank) {
    return places[static_cast<size_t>(rank)] == places[static_cast<size_t>(options_.rank)];
  };
  for (int rank = 0; rank < options_.world; ++rank) {
    peers[static_cast<size_t>(rank)].is_here = is_here(rank);
    if (rank == options_.rank) continue;
    if (options_.rank == 0 || rank == 0)
      watched_.push_back(rank);
    else if (is_here(rank) && !is_here(0))
      neighbours_.push_back(rank);
  }
  return {{options_.rank, watched_, options_.rank_timeout}, std::move(peers)};
}

void RankWatch::Leave(std::unique_ptr<RankWatch> watch) {
  bool has_finished = false;
  {
    std::unique_lock lock(watch->mutex_);
    watch->leaving_ = true;
    Beat::State& state = watch->said_.state;
    if (state != Beat::State::kFailed && state != Beat::State::kStopped) state = Beat::State::kDone;
    watch->wake_.notify_all();
    has_finished = watch->wake_.wait_for(lock, RankJudge::kGrace, [&] { return watch->has_finished_; });
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
  Say(Beat::State::kStuck, 0, what);
  for (const auto end = Clock::now() + RankJudge::kSilence + RankJudge::kGrace; Clock::now() < end;) {
    Check();
    std::this_thread::sleep_for(milliseconds(50));
  }
  Throw({"RANK_HUNG", fmt::format("rank {}: {}: {}", options_.rank, what, kGoOn)});
}

void RankWatch::Say(Beat::State state, int signal, const std::string& text) {
  {
    const std::lock_guard lock(mutex_);
    said_.state = state;
    said_.signal = signal;
    said_.text = FirstLine(text);
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
      SendBeat();
      if (!leaving && !Known()) ReadPeers();
      const std::lock_guard lock(mutex_);
      ++rounds_;
    }
  } catch (const std::exception& error) {
    if (options_.store_is_rank0 && options_.rank != 0) {
      Settle({"RANK_DEAD",
              fmt::format("{} has died, and with it the store at {}: {}", judge_.Name(0), options_.store_name, kGoOn)});
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
        const std::string who = options_.store_is_rank0 ? judge_.Name(0) + ", which serves the store,"
                                                        : "the store at " + options_.store_name;
        verdict_ = {options_.store_is_rank0 ? "RANK_HUNG" : "RANK_STORE",
                    fmt::format("{} has not answered for {:.0f} s: {}", who, options_.rank_timeout.count(), kGoOn)};
      }
      if (!verdict_) continue;
    }
    EndUnlessLeft();
    return;
  }
}

Beat RankWatch::OwnBeat() {
  const std::lock_guard lock(mutex_);
  Beat beat = said_;
  beat.number = beats_;
  beat.step = step_;
  beat.collectives = collectives_;
  beat.lost = lost_;
  return beat;
}

void RankWatch::SendBeat() {
  ++beats_;
  store_->set(BeatKey(options_.rank), OwnBeat().Encode());
}

void RankWatch::ReadPeers() {
  const std::vector<std::vector<uint8_t>> values = store_->multiGet(keys_);
  const Duration now = clock_.now();
  judge_.Hear(options_.rank, OwnBeat(), now);
  for (size_t i = 0; i < watched_.size(); ++i) judge_.Hear(watched_[i], Beat::Parse(TextOf(values[i])), now);
  if (const std::string settled = TextOf(values.back()); !settled.empty()) return Settle(Verdict::Parse(settled));
  PollProcesses();
  judge_.Note(now);
  const std::optional<Verdict> verdict = judge_.Judge(now);
  if (!verdict) return;
  if (options_.rank == 0) store_->set(kVerdictKey, verdict->Encode());
  Settle(*verdict);
}

// NCCL does not tell that a process is gone, and silence alone may be a pause.
void RankWatch::PollProcesses() {
  for (const int rank : watched_) {
    if (judge_.IsSuspect(rank, clock_.now())) judge_.SetEnded(rank, HasEnded(judge_.At(rank).pid));
  }
  for (const int rank : neighbours_) {
    judge_.SetEnded(rank, HasEnded(judge_.At(rank).pid));
    if (!judge_.At(rank).has_ended) continue;
    judge_.Hear(rank, Beat::Parse(store_->get_to_str(BeatKey(rank))), clock_.now());
    if (judge_.IsLost(rank, clock_.now())) lost_ = rank;
  }
}

void RankWatch::Settle(const Verdict& verdict) {
  const std::lock_guard lock(mutex_);
  if (!verdict_) verdict_ = verdict;
}

// Whoever computes, or waits where nothing wakes it (a hung collective of NCCL), does not hold up the end of all.
void RankWatch::EndUnlessLeft() {
  std::unique_lock lock(mutex_);
  if (wake_.wait_for(lock, RankJudge::kGrace, [&] { return leaving_; })) return;
  std::fprintf(stderr, "genvinci: error[%s]: %s\n", verdict_->name.c_str(), verdict_->text.c_str());
  std::fflush(stderr);
  ::_exit(static_cast<int>(verdict_->signal ? Interrupted(verdict_->signal, "").exit_code() : ExitCode::kRankLost));
}

std::optional<Verdict> RankWatch::Known() {
  const std::lock_guard lock(mutex_);
  return verdict_;
}

void RankWatch::Throw(const Verdict& verdict) {
  if (verdict.signal) throw Interrupted(verdict.signal, verdict.text);
  throw RankError(verdict.name, "{}", verdict.text);
}

}  // namespace genvinci
