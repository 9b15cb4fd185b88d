#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <torch/csrc/distributed/c10d/Store.hpp>
#include <vector>

#include "attended_clock.h"
#include "genvinci/core/error.h"
#include "rank_judge.h"

namespace genvinci {

struct RankWatchOptions {
  int rank = 0, world = 1;
  std::string store_name;  // "host:port"
  bool store_is_rank0 = true;
  std::chrono::duration<double> init_timeout{300}, rank_timeout{600};
};

// A thread that writes this rank's beat into the store and reads those of the others: the main rank all, the others
// the main rank's, which also tells its verdict. Work of the store stays linear in the number of ranks. Ranks on other
// hosts than the main one look after the processes there. RankJudge holds the rules.
class RankWatch {
 public:
  // `store`: a connection of its own, so that nothing that another thread waits for holds up the beat. Every rank's
  // "who/<rank>" is there already. Returns once all beats are; RankError RANK_MISSING where they are not in time.
  RankWatch(c10::intrusive_ptr<c10d::Store> store, RankWatchOptions options);
  ~RankWatch();
  // Tells the others that this rank is done. A thread that waits for a store that does not answer is left to the end of
  // the process.
  static void Leave(std::unique_ptr<RankWatch> watch);

  void SetStep(int64_t step) { step_ = step; }
  void CountCollective() { ++collectives_; }
  // Throws when a rank is lost; Interrupted where one has left because of a signal.
  void Check();
  // A collective failed with `what`: waits until it is known who is at fault, and throws.
  [[noreturn]] void Blame(const std::string& what);
  void SayFailed(const std::string& line) { Say(Beat::State::kFailed, 0, line); }
  void SayStopped(int signal) { Say(Beat::State::kStopped, signal, ""); }

 private:
  using Clock = std::chrono::steady_clock;
  using Duration = AttendedClock::Duration;

  RankJudge MakeJudge();
  void Loop();  // of the thread
  void Guard();
  void SendBeat();
  void ReadPeers();
  void PollProcesses();
  void Say(Beat::State state, int signal, const std::string& text);
  Beat OwnBeat();
  void Settle(const Verdict& verdict);
  void EndUnlessLeft();
  std::optional<Verdict> Known();
  [[noreturn]] static void Throw(const Verdict& verdict);

  c10::intrusive_ptr<c10d::Store> store_;
  RankWatchOptions options_;
  std::vector<int> watched_, neighbours_;  // neighbours: whose processes this rank looks after
  std::vector<std::string> keys_;
  std::atomic<int64_t> step_{0}, collectives_{0};
  AttendedClock clock_;  // the thread's, as are the next three
  RankJudge judge_;
  int64_t beats_ = 0;
  int lost_ = -1;  // among the neighbours

  std::mutex mutex_;
  std::condition_variable wake_;
  bool leaving_ = false;
  Beat said_;  // state, signal and text of the next beat
  std::optional<Verdict> verdict_;
  int64_t rounds_ = 0;
  bool has_finished_ = false;
  std::thread thread_;
  std::thread guard_;  // of the thread itself: nothing wakes it from a store that does not answer
};

}  // namespace genvinci
