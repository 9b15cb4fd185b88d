#include "genvinci/genes/profile_tokens.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/temp_folder.h"

namespace genvinci {
namespace profile_tokens_test {
namespace {

using ::testing::ElementsAre;

TEST(ProfileTokens, HoldsEachListAndSelections) {
  const ProfileTokens all = ProfileTokens::Of({{5, 9, 77}, {}, {31, 8}});
  EXPECT_EQ(all.size(), 3);
  EXPECT_EQ(all.longest(), 3);
  EXPECT_THAT(all[0], ElementsAre(5, 9, 77));
  EXPECT_TRUE(all[1].empty());
  const ProfileTokens some = all.Select({2, 0, 2});
  EXPECT_EQ(some.size(), 3);
  EXPECT_THAT(some[0], ElementsAre(31, 8));
  EXPECT_THAT(some.Select({1})[0], ElementsAre(5, 9, 77));
  EXPECT_EQ(some.Select({0}).longest(), 2);
  EXPECT_EQ(all[2].data(), some[0].data());  // shared
}

TEST(ProfileTokens, OutliveWhatTheyWereMadeFrom) {
  ProfileTokens kept;
  EXPECT_TRUE(kept.empty());
  EXPECT_EQ(kept.longest(), 0);
  {
    TokenLists lists;
    lists.Add(std::vector<int32_t>{4, 6});
    kept = ProfileTokens(std::move(lists)).Select({0});
  }
  EXPECT_THAT(kept[0], ElementsAre(4, 6));
}

TEST(ProfileTokens, RefusesOffsetsThatDoNotFit) {
  const std::vector<int32_t> tokens = {1, 2, 3};
  for (const std::vector<int64_t>& offsets :
       std::vector<std::vector<int64_t>>{{}, {1, 3}, {0, 2}, {0, 4}, {0, 3, 2, 3}, {0, -1, 3}})
    CatchError("CHECK", [&] { ProfileTokens(tokens, offsets, nullptr); });
  CatchError("CHECK", [&] { ProfileTokens::Of({{1}})[1]; });
  CatchError("CHECK", [&] { ProfileTokens::Of({{1}}).Select({0, 1}); });
}

}  // namespace
}  // namespace profile_tokens_test
}  // namespace genvinci
