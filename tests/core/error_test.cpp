#include "genvinci/core/error.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>

#include "core/temp_folder.h"

namespace genvinci {
namespace error_test {

using ::testing::HasSubstr;

TEST(Error, OneLineWithNameAndCode) {
  const DataError error("H5_INDEX_RANGE", "{}: row {}: check the file", "a.h5ad", 7);
  EXPECT_EQ(error.Line(), "genvinci: error[H5_INDEX_RANGE]: a.h5ad: row 7: check the file");
  EXPECT_EQ(static_cast<int>(error.exit_code()), 65);
}

TEST(Error, ExitCodesOfTheKinds) {
  EXPECT_EQ(static_cast<int>(UsageError("X", "x").exit_code()), 2);
  EXPECT_EQ(static_cast<int>(MissingFileError("X", "x").exit_code()), 66);
  EXPECT_EQ(static_cast<int>(InternalError("X", "x").exit_code()), 70);
  EXPECT_EQ(static_cast<int>(OverwriteError("X", "x").exit_code()), 73);
  EXPECT_EQ(static_cast<int>(IoError("X", "x").exit_code()), 74);
  EXPECT_EQ(static_cast<int>(NotFiniteError("X", "x").exit_code()), 76);
  EXPECT_EQ(static_cast<int>(ConfigError("X", "x").exit_code()), 78);
}

TEST(Error, InterruptedFollowsTheSignal) {
  EXPECT_EQ(static_cast<int>(Interrupted(SIGINT, "saved").exit_code()), 130);
  EXPECT_EQ(static_cast<int>(Interrupted(SIGTERM, "saved").exit_code()), 143);
  EXPECT_EQ(static_cast<int>(Interrupted(SIGUSR1, "saved").exit_code()), 75);
  EXPECT_EQ(Interrupted(SIGUSR1, "saved at step 3").Line(), "genvinci: error[REQUEUE]: saved at step 3");
}

TEST(Check, ThrowsWithPlaceConditionAndValues) {
  const int a = 3;
  GENVINCI_CHECK(a == 3);
  const Error error = CatchError("CHECK", [&] { GENVINCI_CHECK(a == 4, "a is {}", a); });
  EXPECT_THAT(error.what(), HasSubstr("error_test.cpp:"));
  EXPECT_THAT(error.what(), HasSubstr("a == 4"));
  EXPECT_THAT(error.what(), HasSubstr("a is 3"));
  EXPECT_EQ(error.exit_code(), ExitCode::kBug);
}

}  // namespace error_test
}  // namespace genvinci
