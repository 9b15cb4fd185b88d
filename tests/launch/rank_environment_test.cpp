#include "genvinci/launch/rank_environment.h"

#include <gtest/gtest.h>

#include <map>

#include "core/temp_folder.h"

namespace genvinci {
namespace rank_environment_test {

RankEnvironment Read(const std::map<std::string, std::string>& variables) {
  return ReadRankEnvironment([&](const char* name) -> const char* {
    const auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second.c_str();
  });
}

TEST(RankEnvironment, OneProcessAlone) {
  const RankEnvironment env = Read({});
  EXPECT_EQ(env.launcher, Launcher::kNone);
  EXPECT_EQ(env.world, 1);
  EXPECT_TRUE(env.is_main());
}

TEST(RankEnvironment, Torchruns) {
  std::map<std::string, std::string> set = {{"RANK", "5"},
                                            {"WORLD_SIZE", "8"},
                                            {"LOCAL_RANK", "1"},
                                            {"LOCAL_WORLD_SIZE", "4"},
                                            {"MASTER_ADDR", "node7"},
                                            {"MASTER_PORT", "29501"},
                                            {"TORCHELASTIC_USE_AGENT_STORE", "True"},
                                            {"TORCHELASTIC_RESTART_COUNT", "2"}};
  const RankEnvironment env = Read(set);
  EXPECT_EQ(env.launcher, Launcher::kTorchrun);
  EXPECT_EQ(env.rank, 5);
  EXPECT_EQ(env.world, 8);
  EXPECT_EQ(env.local_rank, 1);
  EXPECT_EQ(env.local_world, 4);
  EXPECT_EQ(env.host, "node7");
  EXPECT_EQ(env.port, 29501);
  EXPECT_TRUE(env.store_is_served);
  EXPECT_EQ(env.restart, 2);
  set["TORCHELASTIC_USE_AGENT_STORE"] = "False";
  EXPECT_FALSE(Read(set).store_is_served);
  for (const auto& [name, value] : std::map<std::string, std::string>{
           {"RANK", "8"}, {"RANK", "x"}, {"WORLD_SIZE", "0"}, {"MASTER_PORT", "0"}, {"MASTER_ADDR", ""}}) {
    auto wrong = set;
    wrong[name] = value;
    const Error error = CatchError("RANK_ENVIRONMENT", [&, &wrong = wrong] { Read(wrong); });
    EXPECT_NE(std::string(error.what()).find(name), std::string::npos) << error.what();
  }
}

TEST(RankEnvironment, Slurms) {
  std::map<std::string, std::string> set = {{"SLURM_JOB_ID", "123456"},
                                            {"SLURM_STEP_ID", "0"},
                                            {"SLURM_PROCID", "3"},
                                            {"SLURM_LOCALID", "1"},
                                            {"SLURM_STEP_NUM_TASKS", "4"},
                                            {"SLURM_STEP_TASKS_PER_NODE", "2(x2)"},
                                            {"SLURM_STEP_NODELIST", "gpu[09-10]"},
                                            {"SLURM_JOB_NODELIST", "gpu[08-10]"}};
  const RankEnvironment env = Read(set);
  EXPECT_EQ(env.launcher, Launcher::kSlurm);
  EXPECT_EQ(env.rank, 3);
  EXPECT_EQ(env.world, 4);
  EXPECT_EQ(env.local_rank, 1);
  EXPECT_EQ(env.local_world, 2);
  EXPECT_EQ(env.host, "gpu09");
  EXPECT_EQ(env.port, PortOfJob(123456, 0));
  EXPECT_FALSE(env.store_is_served);
  set["MASTER_PORT"] = "4000";
  set["MASTER_ADDR"] = "10.0.0.1";
  EXPECT_EQ(Read(set).port, 4000);
  EXPECT_EQ(Read(set).host, "10.0.0.1");
  // The batch script itself has the job's variables but is no task of a step.
  set.erase("SLURM_STEP_ID");
  EXPECT_EQ(Read(set).world, 1);
}

TEST(RankEnvironment, HostLists) {
  using Hosts = std::vector<std::string>;
  EXPECT_EQ(ExpandHostList("node1"), (Hosts{"node1"}));
  EXPECT_EQ(ExpandHostList("node[01-03,7],gpu5"), (Hosts{"node01", "node02", "node03", "node7", "gpu5"}));
  EXPECT_EQ(ExpandHostList("r[1-2]n[08-09]x"), (Hosts{"r1n08x", "r1n09x", "r2n08x", "r2n09x"}));
  EXPECT_EQ(ExpandHostList("n[099-101]"), (Hosts{"n099", "n100", "n101"}));
  for (const char* bad : {"", "n[1-", "n[3-1]", "n[a]", "n[]", "n]1[", ",", "n[0-99999999]"})
    CatchError("RANK_ENVIRONMENT", [&] { ExpandHostList(bad); });
}

TEST(RankEnvironment, PortsLieInTheirRangeAndDifferByStep) {
  EXPECT_NE(PortOfJob(77, 0), PortOfJob(77, 1));
  EXPECT_NE(PortOfJob(77, 0), PortOfJob(78, 0));
  for (int64_t job = 0; job < 100000; job += 37) {
    EXPECT_GE(PortOfJob(job, 3), 20000);
    EXPECT_LT(PortOfJob(job, 3), 32768);  // from where Linux hands them out itself
  }
}

TEST(RankEnvironment, Devices) {
  EXPECT_EQ(ParseDevices(""), (std::vector<int>{}));
  EXPECT_EQ(ParseDevices("1"), (std::vector<int>{0}));
  EXPECT_EQ(ParseDevices("3"), (std::vector<int>{0, 1, 2}));
  EXPECT_EQ(ParseDevices("0,2"), (std::vector<int>{0, 2}));
  for (const char* bad : {"0", "-1", "a", "0,0", "1,", "1.5"}) CatchError("DEVICES", [&] { ParseDevices(bad); });
  RankEnvironment env;
  env.world = 2;
  env.rank = env.local_rank = 1;
  RankOptions options;
  EXPECT_EQ(RankDevice("auto", env, options, 0), "auto");
  EXPECT_EQ(RankDevice("cpu", env, options, 4), "cpu");
  EXPECT_EQ(RankDevice("auto", env, options, 4), "cuda:1");
  options.devices = "1,3";
  EXPECT_EQ(RankDevice("cuda", env, options, 4), "cuda:3");
  EXPECT_EQ(RankDevice("cuda:0", env, options, 4), "cuda:0");
  CatchError("DEVICES", [&] { RankDevice("auto", env, options, 2); });
  // srun --gpus-per-task=1
  env.launcher = Launcher::kSlurm;
  options.devices = "";
  EXPECT_EQ(RankDevice("auto", env, options, 1), "cuda:0");
  EXPECT_EQ(RankDevice("cuda", env, options, 4), "cuda:1");
}

}  // namespace rank_environment_test
}  // namespace genvinci
