#include "genvinci/core/signals.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "core/temp_folder.h"
#include "genvinci/core/files.h"

namespace genvinci {
namespace signals_test {

// Handlers are the process's own, so each test has a child; gives how that ended.
template <typename Body>
int StatusOf(Body body) {
  const pid_t child = ::fork();
  if (child == 0) {
    InstallSignalHandlers();
    ::_exit(body());
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  return status;
}

int CodeAfter(int signal) {
  return StatusOf([&] {
    std::raise(signal);
    try {
      ThrowIfStopped("saved at step 3");
    } catch (const Interrupted& stop) {
      return std::string(stop.what()) == "saved at step 3" ? static_cast<int>(stop.exit_code()) : 1;
    }
    return 2;
  });
}

TEST(Signals, NoneIsNothing) {
  ClearStopSignal();
  EXPECT_EQ(StopSignal(), 0);
  EXPECT_NO_THROW(ThrowIfStopped("x"));
}

TEST(Signals, EachHasItsExitCode) {
  EXPECT_EQ(WEXITSTATUS(CodeAfter(SIGINT)), 130);
  EXPECT_EQ(WEXITSTATUS(CodeAfter(SIGTERM)), 143);
  EXPECT_EQ(WEXITSTATUS(CodeAfter(SIGUSR1)), 75);
}

TEST(Signals, SecondInterruptEndsAtOnce) {
  const int status = StatusOf([] {
    std::raise(SIGINT);
    std::raise(SIGINT);
    return 0;
  });
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(WTERMSIG(status), SIGINT);
}

TEST(Signals, TheFirstDecidesAndOthersDoNotKill) {
  const int status = StatusOf([] {
    std::raise(SIGUSR1);
    std::raise(SIGTERM);
    std::raise(SIGTERM);
    std::raise(SIGINT);
    return StopSignal();
  });
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), SIGUSR1);
}

TEST(Signals, ClearedIsAsNew) {
  const int status = StatusOf([] {
    std::raise(SIGINT);
    ClearStopSignal();
    const int cleared = StopSignal();
    std::raise(SIGINT);
    return cleared == 0 && StopSignal() == SIGINT ? 0 : 1;
  });
  EXPECT_EQ(status, 0);
}

TEST(Signals, SizeLimitIsAnErrorNotADeath) {
  const TempFolder folder;
  const int status = StatusOf([&] {
    const rlimit limit{10, 10};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    try {
      WriteFileAtomic(folder / "x", std::string(100, 'x'));
    } catch (const IoError& error) {
      return error.name() == "FILE_WRITE" ? 0 : 1;
    }
    return 2;
  });
  EXPECT_EQ(status, 0);
  EXPECT_EQ(folder.Count(), 0);
}

}  // namespace signals_test
}  // namespace genvinci
