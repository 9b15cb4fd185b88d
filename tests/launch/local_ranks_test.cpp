#include "genvinci/launch/local_ranks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <map>
#include <thread>

#include "core/temp_folder.h"
#include "genvinci/core/error.h"
#include "genvinci/launch/rank_status.h"

namespace genvinci {
namespace local_ranks_test {

using testing::HasSubstr;

class FaultLocalRanks : public testing::Test {
 protected:
  struct Ended {
    int code;
    std::string err;
    double seconds;
  };
  // Each rank runs this shell script.
  Ended Run(const std::string& script, int ranks, int64_t max_restarts = 0) {
    testing::internal::CaptureStderr();
    const auto start = std::chrono::steady_clock::now();
    const int code = RunLocalRanks(
        {{"/bin/sh", "-c", "cd '" + folder_.path().string() + "'\n" + script, "rank"}, ranks, max_restarts});
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    return {code, testing::internal::GetCapturedStderr(), took.count()};
  }
  TempFolder folder_;
};

// To this process, whose waiting thread alone takes it.
std::thread SendSoon(int signal) {
  return std::thread([signal] {
    sigset_t signals;
    sigfillset(&signals);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
    ::kill(::getpid(), signal);
  });
}

TEST_F(FaultLocalRanks, EachGetsItsPlace) {
  const Ended ended = Run("echo $RANK $WORLD_SIZE $LOCAL_RANK $LOCAL_WORLD_SIZE $MASTER_ADDR > rank$RANK", 3);
  EXPECT_EQ(ended.code, 0);
  EXPECT_EQ(ended.err, "");
  for (int rank = 0; rank < 3; ++rank) {
    const std::string r = std::to_string(rank);
    EXPECT_EQ(Slurp(folder_ / ("rank" + r)), r + " 3 " + r + " 3 127.0.0.1\n");
  }
}

TEST_F(FaultLocalRanks, NamesTheOneThatWasKilled) {
  const Ended ended = Run("[ $RANK = 1 ] && kill -9 $$; exec sleep 60", 3);
  EXPECT_EQ(ended.code, 71);
  EXPECT_THAT(ended.err, HasSubstr("error[RANK_DEAD]: rank 1 of 3 on "));
  EXPECT_THAT(ended.err, HasSubstr("signal 9 (Killed)"));
  EXPECT_LT(ended.seconds, 5);
}

TEST_F(FaultLocalRanks, NamesTheOneThatFailedAndReturnsItsCode) {
  const Ended ended = Run("[ $RANK = 2 ] && exit 76; sleep 0.3; exit 71", 3);
  EXPECT_EQ(ended.code, 76);
  EXPECT_THAT(ended.err, HasSubstr("error[RANK_FAILED]: rank 2 of 3"));
}

// The others noticed first: the one that is still silent is at fault.
TEST_F(FaultLocalRanks, NamesTheOneThatHangs) {
  const Ended ended = Run("[ $RANK = 0 ] && kill -STOP $$; exit 71", 3);
  EXPECT_EQ(ended.code, 71);
  EXPECT_THAT(ended.err, HasSubstr("error[RANK_HUNG]: rank 0 of 3"));
  EXPECT_LT(ended.seconds, 5);
}

TEST_F(FaultLocalRanks, StartsAgainAndThenGivesUp) {
  const Ended ended = Run("[ $RANK = 0 ] && echo $TORCHELASTIC_RESTART_COUNT >> starts; kill -9 $$", 2, 2);
  EXPECT_EQ(ended.code, 71);
  EXPECT_EQ(Slurp(folder_ / "starts"), "0\n1\n2\n");
  EXPECT_THAT(ended.err, HasSubstr("starting the ranks again, 2 of 2"));
  // What would fail again is not tried again.
  EXPECT_EQ(Run("echo x >> once; exit 78", 1, 5).code, 78);
  EXPECT_EQ(Slurp(folder_ / "once"), "x\n");
}

TEST_F(FaultLocalRanks, PassesSignalsOn) {
  std::thread sender = SendSoon(SIGUSR1);
  const Ended ended = Run("trap 'exit 75' USR1; while :; do sleep 0.1; done", 2, 3);
  sender.join();
  EXPECT_EQ(ended.code, 75);
  EXPECT_EQ(ended.err, "");
}

// One that has no handlers yet ends by the signal; that is no loss to recover from.
TEST_F(FaultLocalRanks, DoesNotStartAgainWhatWasAskedToStop) {
  for (const auto& [signal, code] : std::map<int, int>{{SIGTERM, 143}, {SIGUSR1, 75}}) {
    std::thread sender = SendSoon(signal);
    const Ended ended = Run("echo x >> starts$RANK; exec sleep 60", 2, 3);
    sender.join();
    EXPECT_EQ(ended.code, code);
    EXPECT_EQ(ended.err, "");
    EXPECT_EQ(Slurp(folder_ / "starts0"), "x\n");
    std::filesystem::remove(folder_ / "starts0");
  }
}

TEST(RankStatus, IsSharedThroughItsDescriptor) {
  const RankStatus launcher = RankStatus::Create(2);
  RankStatus rank = RankStatus::Open(::dup(launcher.descriptor()));
  rank.SetStep(1, 17);
  rank.SetRun("output/x");
  EXPECT_EQ(launcher.Step(1), 17);
  EXPECT_EQ(launcher.Step(0), 0);
  EXPECT_EQ(launcher.Run(), "output/x");
  RankStatus none = RankStatus::Open(-1);
  none.SetStep(0, 1);
  EXPECT_EQ(none.Run(), "");
}

}  // namespace local_ranks_test
}  // namespace genvinci
