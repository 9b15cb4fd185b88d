#include "genvinci/core/version.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace genvinci {
namespace version_test {

TEST(Version, BuildInfoIsOneLine) {
  const std::string info = BuildInfo();
  EXPECT_THAT(info, ::testing::StartsWith("genvinci " + std::string(kVersion) + " ("));
  for (const char* part : {"fmt ", "nlohmann-json 3.", "OpenSSL 3."}) EXPECT_THAT(info, ::testing::HasSubstr(part));
  EXPECT_EQ(info.find('\n'), std::string::npos);
}

}  // namespace version_test
}  // namespace genvinci
