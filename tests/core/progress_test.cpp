#include "genvinci/core/progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <pty.h>
#include <unistd.h>

#include <thread>

#include "core/temp_folder.h"
#include "genvinci/core/log.h"

namespace genvinci {
namespace progress_test {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::internal::CaptureStderr;
using ::testing::internal::GetCapturedStderr;

TEST(Progress, InALogIsOneLineForShortWork) {
  CaptureStderr();
  {
    Progress progress("reading spots", 1000, "spots");
    for (int i = 0; i < 1000; ++i) progress.Add(1);
    progress.SetNote("loss 0.5");
  }
  EXPECT_THAT(
      GetCapturedStderr(),
      MatchesRegex("reading spots: 1000/1000 spots \\(100%\\), [0-9]+\\.?[0-9]* spots/s, [0-9.]+s, loss 0.5\n"));
}

TEST(Progress, UnknownTotalAndNothingDone) {
  CaptureStderr();
  { Progress progress("scanning", 0, "rows"); }
  EXPECT_THAT(GetCapturedStderr(), MatchesRegex("scanning: 0 rows, [0-9.]+s\n"));
}

TEST(Progress, QuietIsSilent) {
  SetQuiet(true);
  CaptureStderr();
  {
    Progress progress("reading", 10, "rows");
    progress.Add(10);
  }
  EXPECT_EQ(GetCapturedStderr(), "");
  SetQuiet(false);
}

TEST(Progress, TerminalGetsABarAndTheFileALine) {
  const TempFolder folder;
  int main_end = -1, terminal = -1;
  ASSERT_EQ(::openpty(&main_end, &terminal, nullptr, nullptr, nullptr), 0);
  const int before = ::dup(STDERR_FILENO);
  ::dup2(terminal, STDERR_FILENO);
  SetLogFile(folder / "log.txt");
  {
    Progress progress("reading", 4, "rows");
    std::this_thread::sleep_for(std::chrono::milliseconds(120));
    progress.Add(1);
  }
  SetLogFile({});
  ::dup2(before, STDERR_FILENO);
  // A terminal gives what was written in pieces; when it is silent for a while there is no more.
  std::string shown;
  for (pollfd ready{main_end, POLLIN, 0}; ::poll(&ready, 1, /*milliseconds=*/500) > 0;) {
    char text[4096];
    const ssize_t size = ::read(main_end, text, sizeof(text));
    if (size <= 0) break;
    shown.append(text, static_cast<size_t>(size));
  }
  for (const int descriptor : {main_end, terminal, before}) ::close(descriptor);
  EXPECT_THAT(shown, HasSubstr("reading [#####---------------] 1/4 rows (25%)"));
  EXPECT_THAT(shown, HasSubstr("left\r\x1b[Kreading: 1/4 rows (25%)"));
  EXPECT_THAT(WithoutTimes(Slurp(folder / "log.txt")), MatchesRegex("info: reading: 1/4 rows \\(25%\\)[^\r\x1b]*\n"));
}

}  // namespace progress_test
}  // namespace genvinci
