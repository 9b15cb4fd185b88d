#include "genvinci/core/run_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <set>

#include "core/temp_folder.h"
#include "genvinci/core/log.h"
#include "genvinci/core/version.h"

namespace genvinci {
namespace run_folder_test {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;

// Runs go to output/ of the working folder.
class RunFolderTest : public ::testing::Test {
 protected:
  RunFolderTest() : before_(fs::current_path()) { fs::current_path(folder_.path()); }
  ~RunFolderTest() override { fs::current_path(before_); }

  TempFolder folder_;

 private:
  fs::path before_;
};

TEST_F(RunFolderTest, NamesAreStampsThatNeverMeet) {
  std::set<fs::path> paths;
  for (int i = 0; i < 12; ++i) {
    const RunFolder run = RunFolder::Create("toy", "ldm", "");
    EXPECT_TRUE(paths.insert(run.path()).second);
    EXPECT_EQ(run.path().parent_path(), fs::path("output/toy/ldm"));
    EXPECT_THAT(run.path().filename().string(), MatchesRegex("[0-9]{6}_[0-9]{6}(_[0-9]+)?"));
    EXPECT_EQ(ResolveRun("toy", "ldm", "latest"), run.path());
  }
}

TEST_F(RunFolderTest, DatasetIsOneName) {
  for (const char* name : {"", ".", "..", "a/b"}) CatchError("RUN_NAME", [&] { RunFolder::Create(name, "ldm", ""); });
  EXPECT_FALSE(fs::exists("output"));
}

TEST_F(RunFolderTest, GivenOutputMustBeFree) {
  { RunFolder::Create("toy", "ldm", "a/b").WriteRunJson("finetune", Json::object(), Json::object()); }
  const Error error = CatchError("OUTPUT_EXISTS", [] { RunFolder::Create("toy", "ldm", "a/b"); });
  EXPECT_EQ(error.exit_code(), ExitCode::kWouldOverwrite);
  fs::create_directory("mine");
  Spill(folder_ / "mine/x", "1");
  CatchError("OUTPUT_EXISTS", [] { RunFolder::Create("toy", "ldm", "mine"); });
  EXPECT_FALSE(fs::exists("mine/.lock"));
  fs::create_directory("empty");
  EXPECT_NO_THROW(RunFolder::Create("toy", "ldm", "empty"));
}

TEST_F(RunFolderTest, SecondUserIsRefusedWhileTheFirstLives) {
  {
    RunFolder run = RunFolder::Create("toy", "ldm", "a");
    const Error error = CatchError("RUN_IN_USE", [] { RunFolder::Reopen("a"); });
    EXPECT_EQ(error.exit_code(), ExitCode::kWouldOverwrite);
    CatchError("RUN_IN_USE", [] { RunFolder::Create("toy", "ldm", "a"); });
    run.WriteRunJson("finetune", Json::object(), Json::object());
    const RunFolder moved = std::move(run);
    CatchError("RUN_IN_USE", [] { RunFolder::Create("toy", "ldm", "a"); });
  }
  EXPECT_NO_THROW(RunFolder::Reopen("a"));
}

TEST_F(RunFolderTest, KilledProcessLosesItsLock) {
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const RunFolder run = RunFolder::Create("toy", "ldm", "a");
    if (::write(ready[1], "x", 1) == 1) ::pause();
    ::_exit(1);
  }
  char byte = 0;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  CatchError("RUN_IN_USE", [] { RunFolder::Reopen("a"); });
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  for (const int end : ready) ::close(end);
  EXPECT_NO_THROW(RunFolder::Reopen("a"));
}

TEST_F(RunFolderTest, RunJsonHoldsWhatWasRunAndKeepsEarlierOnes) {
  SetCommandLine("genvinci finetune --seed 7");
  const Json options = {{"common", {{"seed", 7}}}, {"lr", 0.5}};
  { RunFolder::Create("toy", "ldm", "a").WriteRunJson("finetune", options, {{"data", "abc"}}); }
  Json json = ReadJson("a/run.json");
  EXPECT_EQ(json["command"], "finetune");
  EXPECT_EQ(json["command_line"], "genvinci finetune --seed 7");
  EXPECT_EQ(json["version"], kVersion);
  EXPECT_EQ(json["seed"], 7);
  EXPECT_EQ(json["options"], options);
  EXPECT_EQ(json["facts"]["data"], "abc");
  EXPECT_FALSE(json.contains("earlier"));
  for (const char* data : {"second", "third"})
    RunFolder::Reopen("a").WriteRunJson("finetune", options, {{"data", data}});
  json = ReadJson("a/run.json");
  EXPECT_EQ(json["facts"]["data"], "third");
  ASSERT_EQ(json["earlier"].size(), 2u);
  EXPECT_EQ(json["earlier"][0]["facts"]["data"], "abc");
  EXPECT_EQ(json["earlier"][1]["facts"]["data"], "second");
  SetCommandLine("");
}

TEST_F(RunFolderTest, MetricsAreOneObjectALine) {
  {
    RunFolder run = RunFolder::Create("toy", "ldm", "a");
    run.AppendMetrics({{"step", 1}, {"loss", 0.5}});
    run.AppendMetrics({{"step", 2}, {"loss", std::numeric_limits<double>::infinity()}});
  }
  EXPECT_EQ(Slurp("a/metrics.jsonl"), "{\"step\":1,\"loss\":0.5}\n{\"step\":2,\"loss\":null}\n");
  Spill(folder_ / "a/metrics.jsonl", "{\"step\":1}\n{\"st");  // killed while writing
  RunFolder::Reopen("a").AppendMetrics({{"step", 2}});
  EXPECT_EQ(Slurp("a/metrics.jsonl"), "{\"step\":1}\n{\"step\":2}\n");
}

TEST_F(RunFolderTest, FullDiskNamesTheFile) {
  RunFolder run = RunFolder::Create("toy", "ldm", "a");
  fs::create_symlink("/dev/full", "a/metrics.jsonl");
  const Error error = CatchError("FILE_WRITE", [&] { run.AppendMetrics({{"step", 1}}); });
  EXPECT_THAT(error.what(), HasSubstr("a/metrics.jsonl: writing failed: No space left on device"));
}

TEST_F(RunFolderTest, LogLinesGoToLogTxt) {
  ::testing::internal::CaptureStderr();
  {
    const RunFolder run = RunFolder::Create("toy", "ldm", "a");
    Log("inside");
  }
  Log("outside");
  {
    const RunFolder run = RunFolder::Reopen("a");
    Log("again");
  }
  ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(WithoutTimes(Slurp("a/log.txt")), "info: inside\ninfo: again\n");
}

TEST_F(RunFolderTest, ReopenNeedsARun) {
  EXPECT_EQ(CatchError("RUN_MISSING", [] { RunFolder::Reopen("none"); }).exit_code(), ExitCode::kMissingFile);
}

TEST_F(RunFolderTest, ResolveRunByFolderStampAndLatest) {
  for (const char* name : {"250101_000000", "251231_235959", "251231_235959_2", "251231_235959_10", ".hidden"})
    fs::create_directories(fs::path("output/toy/ldm") / name);
  EXPECT_EQ(ResolveRun("toy", "ldm", "250101_000000"), fs::path("output/toy/ldm/250101_000000"));
  EXPECT_EQ(ResolveRun("toy", "ldm", "latest"), fs::path("output/toy/ldm/251231_235959_10"));
  EXPECT_EQ(ResolveRun("other", "mlm", "output/toy"), fs::path("output/toy"));
  const Error error = CatchError("RUN_MISSING", [] { ResolveRun("toy", "ldm", "240101_000000"); });
  EXPECT_THAT(error.what(), HasSubstr("output/toy/ldm holds 250101_000000, 251231_235959, 251231_235959_2, "));
  CatchError("RUN_MISSING", [] { ResolveRun("toy", "ldm", ""); });
  const Error none = CatchError("RUN_MISSING", [] { ResolveRun("toy", "mlm", "latest"); });
  EXPECT_THAT(none.what(), HasSubstr("output/toy/mlm holds none"));
}

TEST_F(RunFolderTest, ResolveDatasetByPathOrName) {
  fs::create_directories("dataset/he_st");
  fs::create_directories("elsewhere/toy");
  EXPECT_EQ(ResolveDataset("he_st"), fs::path("dataset/he_st"));
  EXPECT_EQ(ResolveDataset("elsewhere/toy"), fs::path("elsewhere/toy"));
  // A folder of the same name with something else in it does not hide the dataset.
  fs::create_directory("he_st");
  Spill(folder_ / "dataset/he_st/dataset.json", "{}");
  EXPECT_EQ(ResolveDataset("he_st"), fs::path("dataset/he_st"));
  const Error error = CatchError("DATASET_MISSING", [] { ResolveDataset("nope"); });
  EXPECT_THAT(error.what(), HasSubstr("dataset holds he_st"));
  CatchError("DATASET_MISSING", [] { ResolveDataset(""); });
}

}  // namespace run_folder_test
}  // namespace genvinci
