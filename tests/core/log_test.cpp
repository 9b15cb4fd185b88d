#include "genvinci/core/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "core/temp_folder.h"

namespace genvinci {
namespace log_test {

using ::testing::HasSubstr;
using ::testing::internal::CaptureStderr;
using ::testing::internal::CaptureStdout;
using ::testing::internal::GetCapturedStderr;
using ::testing::internal::GetCapturedStdout;

TEST(Log, GoesToStderrAndTheFile) {
  const TempFolder folder;
  SetLogFile(folder / "log.txt");
  CaptureStderr();
  CaptureStdout();
  Log("step {} of {}", 1, 2);
  Warn("low {}", "memory");
  EXPECT_EQ(GetCapturedStderr(), "step 1 of 2\nwarning: low memory\n");
  EXPECT_EQ(GetCapturedStdout(), "");
  EXPECT_EQ(WithoutTimes(Slurp(folder / "log.txt")), "info: step 1 of 2\nwarning: low memory\n");
  SetLogFile({});
  CaptureStderr();
  LogLine("later");
  GetCapturedStderr();
  EXPECT_EQ(WithoutTimes(Slurp(folder / "log.txt")), "info: step 1 of 2\nwarning: low memory\n");
}

TEST(Log, QuietKeepsWarningsAndTheFile) {
  const TempFolder folder;
  SetLogFile(folder / "log.txt");
  SetQuiet(true);
  EXPECT_TRUE(IsQuiet());
  CaptureStderr();
  Log("hidden");
  Warn("shown");
  EXPECT_EQ(GetCapturedStderr(), "warning: shown\n");
  EXPECT_EQ(WithoutTimes(Slurp(folder / "log.txt")), "info: hidden\nwarning: shown\n");
  SetQuiet(false);
  SetLogFile({});
}

TEST(Log, LevelDecidesWhatIsSaid) {
  const TempFolder folder;
  SetLogFile(folder / "log.txt");
  CaptureStderr();
  Debug("not {}", "yet");
  SetLogLevel("debug");
  Debug("small");
  SetLogLevel("error");
  Log("hidden");
  Warn("hidden");
  LogAt(LogLevel::kError, "bad");
  SetLogLevel("info");
  SetLogFile({});
  EXPECT_EQ(GetCapturedStderr(), "debug: small\nerror: bad\n");
  EXPECT_EQ(WithoutTimes(Slurp(folder / "log.txt")), "debug: small\nerror: bad\n");
}

TEST(Log, ALevelAboveInfoShowsNoBarsEither) {
  for (const auto& [level, quiet] : {std::pair{"debug", false}, {"warn", true}, {"error", true}, {"info", false}}) {
    SetLogLevel(level);
    EXPECT_EQ(IsQuiet(), quiet) << level;
  }
}

TEST(LogDeathTest, LinesOfARanksFileNameIt) {
  const TempFolder folder;
  const auto say = [&] {
    SetLogRank(3);
    SetLogFile(folder / "log.txt");
    Log("here");
    _exit(0);
  };
  EXPECT_EXIT(say(), ::testing::ExitedWithCode(0), "here");
  EXPECT_THAT(Slurp(folder / "log.txt"), ::testing::MatchesRegex("20..-..-.. ..:..:..\\.[0-9]+ info rank 3: here\n"));
}

TEST(Log, BracesInALineAreText) {
  CaptureStderr();
  LogLine("{\"a\": {}} %v");
  EXPECT_EQ(GetCapturedStderr(), "{\"a\": {}} %v\n");
}

TEST(Log, AppendsToWhatIsThere) {
  const TempFolder folder;
  Spill(folder / "log.txt", "before\n");
  SetLogFile(folder / "log.txt");
  CaptureStderr();
  LogLine("after");
  GetCapturedStderr();
  SetLogFile({});
  EXPECT_EQ(WithoutTimes(Slurp(folder / "log.txt")), "before\ninfo: after\n");
}

TEST(Log, UnwritableFileIsAnErrorAtOnce) {
  const TempFolder folder;
  CatchError("FILE_WRITE", [&] { SetLogFile(folder / "none/log.txt"); });
}

TEST(Log, FullDiskLaterEndsTheFileWithOneWarning) {
  SetLogFile("/dev/full");
  CaptureStderr();
  LogLine("one");
  LogLine("two");
  const std::string text = GetCapturedStderr();
  SetLogFile({});
  EXPECT_THAT(text, HasSubstr("one\nwarning: the log ends here: /dev/full: writing failed: No space left"));
  EXPECT_EQ(text.substr(text.size() - 5), "\ntwo\n");
}

TEST(Log, LineReplacesABar) {
  CaptureStderr();
  internal::ShowBar("half");
  LogLine("line");
  LogLine("next");
  EXPECT_EQ(GetCapturedStderr(), "\r\x1b[Khalf\r\x1b[Kline\nnext\n");
}

}  // namespace log_test
}  // namespace genvinci
