#include "genvinci/distributed/rank_group.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <cctype>
#include <csignal>
#include <cstdlib>
#include <thread>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include "distributed/rank_bodies.h"
#include "genvinci/core/error.h"
#include "genvinci/core/signals.h"
#include "testing/fault_record.h"

namespace genvinci {
namespace rank_group_test {

using testing::HasSubstr;

RankOptions Options() {
  RankOptions options;
  options.init_timeout = 20;
  options.rank_timeout = 4;
  return options;
}

void Run(const std::function<void(RankGroup&)>& work, const RankOptions& options = Options()) {
  CommonOptions common;
  common.device = "cpu";
  WithRanks(options, common, [&](RankGroup& ranks) {
    work(ranks);
    return Json();
  });
}

void Sleep(double seconds) { std::this_thread::sleep_for(std::chrono::duration<double>(seconds)); }

// Sums until someone is lost.
void TrainForEver(
    RankGroup& ranks, const std::function<void(int)>& before = [](int) {}) {
  for (int step = 1; step < 10000; ++step) {
    ranks.SetStep(step);
    before(step);
    torch::Tensor one = torch::ones({100});
    ranks.Sum(one);
    Sleep(0.05);
  }
}

RANK_BODY(Collectives) {
  Run([&](RankGroup& ranks) {
    const int r = ranks.rank();
    torch::Tensor sum = torch::tensor({1.0 * r, 10.0});
    ranks.Sum(sum);
    EXPECT_TRUE(sum.equal(torch::tensor({3.0, 30.0})));
    torch::Tensor most = torch::tensor({r, -r});
    ranks.Max(most);
    EXPECT_TRUE(most.equal(torch::tensor({2, 0})));
    torch::Tensor sent = torch::full({2}, r);
    ranks.Broadcast(sent, 2);
    EXPECT_TRUE(sent.equal(torch::tensor({2, 2})));
    EXPECT_TRUE(ranks.Gather(torch::tensor({r, r + 1})).equal(torch::tensor({{0, 1}, {1, 2}, {2, 3}})));
    EXPECT_TRUE(ranks.GatherRows(torch::full({r, 2}, r)).equal(torch::tensor({{1, 1}, {2, 2}, {2, 2}})));
    EXPECT_EQ(ranks.Sum(std::vector<double>{0.5, r * 1.0}), (std::vector<double>{1.5, 3.0}));
    EXPECT_EQ(ranks.Broadcast(std::string(r == 0 ? "main" : "other")), "main");
    EXPECT_EQ(ranks.Broadcast(std::string()), "");
    EXPECT_EQ(ranks.Broadcast(Json{{"rank", r}}), (Json{{"rank", 0}}));
    // Longer than a collective may take.
    const fs::path file = folder / "written";
    ranks.OnMain([&] {
      Sleep(1);
      Spill(file, "x");
    });
    EXPECT_EQ(Slurp(file), "x");
  });
}

TEST(RankGroup, AloneNothingIsSent) {
  RankGroup ranks;
  torch::Tensor values = torch::ones({2});
  ranks.Sum(values);
  EXPECT_TRUE(values.equal(torch::ones({2})));
  EXPECT_EQ(ranks.Gather(values).sizes(), (torch::IntArrayRef{1, 2}));
  ranks.Barrier();
}

TEST(RankGroup, CollectivesOfThree) {
  const TempFolder folder;
  for (const RankEnd& end : StartRanks(folder.path(), {"Collectives", 3})) EXPECT_EQ(end.code, 0) << end.err;
}

// Who serves the store leaves last, and nobody complains.
TEST(RankGroup, ManyMeetAndPart) {
  const TempFolder folder;
  for (const RankEnd& end : StartRanks(folder.path(), {"Part", 8})) {
    EXPECT_EQ(end.code, 0);
    EXPECT_EQ(end.err, "");
  }
}
RANK_BODY(Part) {
  // Eight on few processors come when they come.
  RankOptions patient = Options();
  patient.init_timeout = patient.rank_timeout = 60;
  Run([](RankGroup& ranks) { ranks.Barrier(); }, patient);
}

RANK_BODY(NcclCollectives) {
  RankOptions options = Options();
  options.init_timeout = options.rank_timeout = 60;
  CommonOptions common;
  common.device = "cuda";
  WithRanks(options, common, [&](RankGroup& ranks) {
    const int r = ranks.rank();
    EXPECT_TRUE(ranks.device().is_cuda());
    const auto here = [&](const torch::Tensor& tensor) { return tensor.to(ranks.device()); };
    torch::Tensor sum = here(torch::tensor({1.0 * r, 10.0}));
    ranks.Sum(sum);
    EXPECT_TRUE(sum.cpu().equal(torch::tensor({1.0, 20.0})));
    torch::Tensor sent = here(torch::full({2}, r));
    ranks.Broadcast(sent, 1);
    EXPECT_TRUE(sent.cpu().equal(torch::tensor({1, 1})));
    EXPECT_TRUE(
        ranks.GatherRows(here(torch::full({r + 1, 2}, r))).cpu().equal(torch::tensor({{0, 0}, {1, 1}, {1, 1}})));
    EXPECT_EQ(ranks.Broadcast(std::string(r == 0 ? "main" : "other")), "main");
    return Json();
  });
}
TEST(GpuRankGroup, TwoDevicesThroughNccl) {
  if (!torch::cuda::is_available() || torch::cuda::device_count() < 2) GTEST_SKIP() << "needs two CUDA devices";
  const TempFolder folder;
  for (const RankEnd& end : StartRanks(folder.path(), {"NcclCollectives", 2})) EXPECT_EQ(end.code, 0) << end.err;
}

// Seconds within which ranks leave: five where the machine is theirs, more where busy processes share it. The timeouts
// that they must not wait for are minutes.
constexpr double kSoon = 20;

class FaultRanks : public testing::Test {
 protected:
  // All but `lost` end with 71 and a last line that holds `name` and names that rank, `within` seconds of the fault,
  // whose time the rank at fault has written.
  void ExpectNamed(const std::vector<RankEnd>& ends, int lost, const std::string& name, double within) {
    for (size_t rank = 0; rank < ends.size(); ++rank) {
      if (static_cast<int>(rank) == lost) continue;
      EXPECT_EQ(ends[rank].code, 71) << ends[rank].err;
      EXPECT_THAT(ends[rank].err, HasSubstr("error[" + name + "]"));
      EXPECT_THAT(ends[rank].err, HasSubstr(fmt::format("rank {} of {} on", lost, ends.size())));
      EXPECT_LT(ends[rank].seconds - FaultAt(), within);
    }
  }
  double FaultAt() const { return std::stod(Slurp(folder_ / "fault_at")); }
  // A long campaign asks for more.
  static int Rounds() {
    const char* rounds = std::getenv("GENVINCI_FAULT_ROUNDS");
    return rounds ? std::atoi(rounds) : 1;
  }
  // Tests that only wait for a timeout, and whose verdict RankJudge's tests give without waiting.
  static bool LeavesOutWaits() { return std::getenv("GENVINCI_FAULT_FULL") == nullptr; }
  void TearDown() override {
    if (IsSkipped()) return;
    const std::string name = testing::UnitTest::GetInstance()->current_test_info()->name();
    const bool repeats = name == "OneIsKilled" || name == "OneIsStopped" || name == "TheOneThatServesTheStoreIsKilled";
    const int cases = repeats ? Rounds() : 1;
    std::string kind = "three ranks, without a launcher:";
    for (const char c : name)
      kind += std::isupper(static_cast<unsigned char>(c)) ? std::string(" ") + static_cast<char>(std::tolower(c))
                                                          : std::string(1, c);
    RecordFaults(kind, cases, HasFailure() ? 0 : cases);
  }
  TempFolder folder_;
};

// Seconds since the program's start, about the same in all ranks.
void NoteFault(const fs::path& folder) {
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  std::ifstream stat("/proc/self/stat");
  const std::string text(std::istreambuf_iterator<char>(stat), {});
  std::istringstream fields(text.substr(text.rfind(')') + 2));
  std::string field;
  for (int i = 3; i <= 22; ++i) fields >> field;
  const double started = std::stod(field) / static_cast<double>(::sysconf(_SC_CLK_TCK));
  Spill(folder / "fault_at",
        std::to_string(static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec) - started));
}

RANK_BODY(KillOne) {
  Run([&](RankGroup& ranks) {
    TrainForEver(ranks, [&](int step) {
      if (step != 20 || ranks.rank() != 1) return;
      NoteFault(folder);
      ::kill(::getpid(), SIGKILL);
    });
  });
}
TEST_F(FaultRanks, OneIsKilled) {
  for (int round = 0; round < Rounds(); ++round) {
    const auto ends = StartRanks(folder_.path(), {"KillOne", 3});
    EXPECT_EQ(ends[1].code, 128 + SIGKILL);
    ExpectNamed(ends, 1, "RANK_DEAD", kSoon);
    EXPECT_THAT(ends[0].err, testing::ContainsRegex("step (1[0-9]|20)\\)"));
  }
}

RANK_BODY(KillMain) {
  Run([&](RankGroup& ranks) {
    TrainForEver(ranks, [&](int step) {
      if (step != 20 || !ranks.is_main()) return;
      NoteFault(folder);
      ::kill(::getpid(), SIGKILL);
    });
  });
}
TEST_F(FaultRanks, TheOneThatServesTheStoreIsKilled) {
  for (int round = 0; round < Rounds(); ++round)
    ExpectNamed(StartRanks(folder_.path(), {"KillMain", 3}), 0, "RANK_DEAD", kSoon);
}

RANK_BODY(KillWhileOthersCompute) {
  Run([&](RankGroup& ranks) {
    ranks.SetStep(7);
    ranks.Barrier();
    if (ranks.rank() == 2) {
      NoteFault(folder);
      ::kill(::getpid(), SIGKILL);
    }
    Sleep(50);  // no collective that would fail
  });
}
TEST_F(FaultRanks, OneIsKilledWhileTheOthersCompute) {
  ExpectNamed(StartRanks(folder_.path(), {"KillWhileOthersCompute", 3}), 2, "RANK_DEAD", kSoon);
}

// On another host the main rank cannot look for its process: its neighbour there does.
TEST_F(FaultRanks, OneIsKilledOnAnotherHostWhileTheOthersCompute) {
  if (::geteuid() != 0) GTEST_SKIP() << "another host name needs root";
  RankStart start{"KillWhileOthersCompute", 3};
  start.hosts = {"node0", "node1", "node1"};
  const auto ends = StartRanks(folder_.path(), start);
  ExpectNamed(ends, 2, "RANK_DEAD", kSoon);
  EXPECT_THAT(ends[0].err, HasSubstr("rank 2 of 3 on node1 (pid"));
}

// A signal that came to one rank alone, before training, where nobody votes.
RANK_BODY(StopWhileSettingUp) {
  InstallSignalHandlers();
  Run([&](RankGroup& ranks) {
    ranks.Barrier();
    if (ranks.rank() == 1) {
      NoteFault(folder);
      std::raise(SIGTERM);
      ThrowIfStopped("stopped: nothing was to be saved");
    }
    ranks.Barrier();
  });
}
TEST_F(FaultRanks, OneIsAskedToStopWhileTheOthersWait) {
  const auto ends = StartRanks(folder_.path(), {"StopWhileSettingUp", 3});
  for (const RankEnd& end : ends) {
    EXPECT_EQ(end.code, 143) << end.err;
    EXPECT_LT(end.seconds - FaultAt(), kSoon);
  }
  EXPECT_THAT(ends[0].err, HasSubstr("rank 1 of 3 on"));
  EXPECT_THAT(ends[0].err, HasSubstr("was stopped by signal 15"));
}

// One that cannot connect says so, and the others end with it.
RANK_BODY(NoInterface) {
  if (ReadRankEnvironment().rank == 1) ::setenv("GLOO_SOCKET_IFNAME", "none0", 1);
  NoteFault(folder);
  RankOptions options = Options();
  options.init_timeout = 6;
  Run([](RankGroup& ranks) { ranks.Barrier(); }, options);
}
TEST_F(FaultRanks, OneCannotConnectToTheOthers) {
  if (LeavesOutWaits()) GTEST_SKIP() << "waits for 6 s: GENVINCI_FAULT_FULL=1 runs it";
  for (const RankEnd& end : StartRanks(folder_.path(), {"NoInterface", 3})) {
    EXPECT_EQ(end.code, 71) << end.err;
    EXPECT_LT(end.seconds - FaultAt(), 6 + kSoon);
    EXPECT_THAT(end.err, HasSubstr("none0"));
  }
}

RANK_BODY(StopOne) {
  Run([&](RankGroup& ranks) {
    TrainForEver(ranks, [&](int step) {
      if (step != 20 || ranks.rank() != 1) return;
      NoteFault(folder);
      ::kill(::getpid(), SIGSTOP);
    });
  });
}
TEST_F(FaultRanks, OneIsStopped) {
  for (int round = 0; round < Rounds(); ++round) {
    RankStart start{"StopOne", 3};
    start.timeout = 12;
    ExpectNamed(StartRanks(folder_.path(), start), 1, "RANK_HUNG", Options().rank_timeout + kSoon);
  }
}

// Rank 2 is stopped while the others wait for it in a call.
RANK_BODY(Paused) {
  Run([&](RankGroup& ranks) {
    for (int step = 1; step <= 40; ++step) {
      torch::Tensor one = torch::ones({100});
      if (step == 20 && ranks.rank() == 2) {
        Spill(folder / "pause", "x");
        Sleep(1);
      }
      ranks.Sum(one);
      EXPECT_TRUE(one.equal(torch::full({100}, 3.0F)));
    }
    ranks.Barrier();
  });
}
TEST_F(FaultRanks, AllAreStoppedForLongerThanTheTimeoutAndGoOn) {
  RankStart start{"Paused", 3};
  start.pause = Options().rank_timeout + 3;
  for (const RankEnd& end : StartRanks(folder_.path(), start)) EXPECT_EQ(end.code, 0) << end.err;
  EXPECT_TRUE(fs::exists(folder_ / "pause"));
}

RANK_BODY(SkipOne) {
  Run([&](RankGroup& ranks) {
    TrainForEver(ranks, [&](int step) {
      if (step != 20 || ranks.rank() != 2) return;
      NoteFault(folder);
      Sleep(50);
    });
  });
}
TEST_F(FaultRanks, OneDoesNotComeToACollective) {
  if (LeavesOutWaits()) GTEST_SKIP() << "ends as OneIsStopped does: GENVINCI_FAULT_FULL=1 runs it";
  RankStart start{"SkipOne", 3};
  start.timeout = 12;
  ExpectNamed(StartRanks(folder_.path(), start), 2, "RANK_HUNG", Options().rank_timeout + kSoon);
}

RANK_BODY(BadData) {
  Run([&](RankGroup& ranks) {
    TrainForEver(ranks, [&](int step) {
      if (step != 20 || ranks.rank() != 1) return;
      NoteFault(folder);
      throw DataError("PATCH_READ", "spot_7.png: is cut short");
    });
  });
}
TEST_F(FaultRanks, OneFailsAndTheOthersSayWhy) {
  const auto ends = StartRanks(folder_.path(), {"BadData", 3});
  EXPECT_EQ(ends[1].code, 65);
  ExpectNamed(ends, 1, "RANK_FAILED", kSoon);
  EXPECT_THAT(ends[0].err, HasSubstr("error[PATCH_READ]: spot_7.png: is cut short"));
}

RANK_BODY(MissingOne) {
  RankOptions options = Options();
  options.init_timeout = 2;
  CommonOptions common;
  common.device = "cpu";
  WithRanks(options, common, [&](RankGroup&) { return Json(); });
}
TEST_F(FaultRanks, TheOneThatIsMissingAtTheStartIsNamed) {
  const auto ends = StartRanks(folder_.path(), {"MissingOne", 3, {1}});
  for (const int rank : {0, 2}) {
    EXPECT_EQ(ends[static_cast<size_t>(rank)].code, 71);
    EXPECT_THAT(ends[static_cast<size_t>(rank)].err, HasSubstr("error[RANK_MISSING]"));
    EXPECT_LT(ends[static_cast<size_t>(rank)].seconds, 2 + kSoon);
  }
  EXPECT_THAT(ends[0].err, HasSubstr("rank 1 did not come within 2 s"));
  const auto without_main = StartRanks(folder_.path(), {"MissingOne", 2, {0}});
  EXPECT_EQ(without_main[1].code, 71);
  EXPECT_THAT(without_main[1].err, HasSubstr("error[RANK_MISSING]"));
  EXPECT_THAT(without_main[1].err, HasSubstr("rank 0"));
}

// As torchrun's agent: the store is served by another process, here rank 2 of a group whose others are clients.
RANK_BODY(AgentStore) {
  const RankEnvironment env = ReadRankEnvironment();
  if (env.rank == 2) {
    c10d::TCPStoreOptions options;
    options.port = env.port;
    options.isServer = true;
    options.waitWorkers = false;
    const c10d::TCPStore store(env.host, options);
    while (!fs::exists(folder / "fault_at")) Sleep(0.05);
    ::kill(::getpid(), SIGKILL);
  }
  for (const char* name : {"WORLD_SIZE", "LOCAL_WORLD_SIZE"}) ::setenv(name, "2", 1);
  ::setenv("TORCHELASTIC_USE_AGENT_STORE", "True", 1);
  Run([&](RankGroup& ranks) {
    TrainForEver(ranks, [&](int step) {
      if (step == 20 && ranks.is_main()) NoteFault(folder);
    });
  });
}
TEST_F(FaultRanks, TheStoreOfAnAgentDies) {
  const auto ends = StartRanks(folder_.path(), {"AgentStore", 3});
  for (const int rank : {0, 1}) {
    EXPECT_EQ(ends[static_cast<size_t>(rank)].code, 71);
    EXPECT_THAT(ends[static_cast<size_t>(rank)].err, HasSubstr("error[RANK_STORE]: the store at 127.0.0.1:"));
    EXPECT_LT(ends[static_cast<size_t>(rank)].seconds - FaultAt(), kSoon);
  }
}

}  // namespace rank_group_test
}  // namespace genvinci
