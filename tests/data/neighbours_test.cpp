#include "genvinci/data/neighbours.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

namespace genvinci {
namespace neighbours_test {

using testing::ElementsAre;

TEST(Neighbours, LieInTheSameSectionNearestFirst) {
  // Section a is a row at pitch 10, b lies on top of it with a pitch of 5.
  const std::vector<double> x = {0, 10, 20, 40, 0, 5}, y(6, 0);
  const Neighbours found = FindNeighbours(x, y, {"a", "a", "a", "a", "b", "b"}, 2);
  EXPECT_THAT(std::vector<int64_t>(found.index.begin(), found.index.begin() + 2), ElementsAre(1, 2));
  EXPECT_THAT(std::vector<int64_t>(found.index.begin() + 6, found.index.begin() + 8), ElementsAre(2, 1));
  EXPECT_THAT(std::vector<int64_t>(found.index.begin() + 8, found.index.end()), ElementsAre(5, -1, 4, -1));
  // Offsets in pitches: 10 in section a, 5 in b.
  EXPECT_THAT(std::vector<float>(found.offsets.begin(), found.offsets.begin() + 4), ElementsAre(1, 0, 2, 0));
  EXPECT_THAT(std::vector<float>(found.offsets.begin() + 12, found.offsets.begin() + 14), ElementsAre(-2, 0));
  EXPECT_THAT(std::vector<float>(found.offsets.begin() + 16, found.offsets.begin() + 20), ElementsAre(1, 0, 0, 0));
}

TEST(Neighbours, AreThoseOfABruteSearch) {
  std::mt19937 random(7);
  std::uniform_real_distribution<double> place(0, 100);
  std::vector<double> x, y;
  for (int i = 0; i < 300; ++i) {
    x.push_back(place(random));
    y.push_back(place(random));
  }
  constexpr size_t kCount = 5;
  const Neighbours found = FindNeighbours(x, y, std::vector<std::string>(300, "s"), kCount);
  for (size_t i = 0; i < x.size(); ++i) {
    std::vector<std::pair<double, int64_t>> all;
    for (size_t j = 0; j < x.size(); ++j)
      if (j != i) all.emplace_back(std::hypot(x[j] - x[i], y[j] - y[i]), static_cast<int64_t>(j));
    std::sort(all.begin(), all.end());
    for (size_t k = 0; k < kCount; ++k) ASSERT_EQ(found.index[i * kCount + k], all[k].second) << i;
  }
}

TEST(Neighbours, AtOnePlaceAreNeighbours) {
  const Neighbours found = FindNeighbours({3, 3, 3}, {1, 1, 1}, {"s", "s", "s"}, 2);
  for (int64_t i = 0; i < 3; ++i) {
    EXPECT_NE(found.index[static_cast<size_t>(2 * i)], i);
    EXPECT_GE(found.index[static_cast<size_t>(2 * i + 1)], 0);
  }
  for (const float offset : found.offsets) EXPECT_EQ(offset, 0);
}

}  // namespace neighbours_test
}  // namespace genvinci
