#include "genvinci/tensor/item_draws.h"

#include <gtest/gtest.h>

namespace genvinci {
namespace item_draws_test {

TEST(ItemDraws, DoNotDependOnTheBatch) {
  const DrawKey key{7, 3};
  ItemDraws together(key, {4, 9, 2}), one(key, {9}), rest(key, {2, 4});
  for (int round = 0; round < 3; ++round) {
    const torch::Tensor uniform = together.Uniform({5}), normal = together.Normal({2, 3}),
                        integers = together.Integers(100);
    EXPECT_TRUE(uniform[1].equal(one.Uniform({5})[0]));
    EXPECT_TRUE(normal[1].equal(one.Normal({2, 3})[0]));
    EXPECT_TRUE(integers[1].equal(one.Integers(100)[0]));
    const torch::Tensor more = rest.Uniform({5});
    EXPECT_TRUE(uniform[0].equal(more[1]) && uniform[2].equal(more[0]));
    rest.Normal({2, 3});
    rest.Integers(100);
    EXPECT_EQ(together.One(1), one.One(0));
    together.One(0);
    together.One(2);
    rest.One(0);
    rest.One(1);
  }
}

TEST(ItemDraws, DifferByEpochSeedPurposeAndItem) {
  const auto draw = [](const DrawKey& key, int64_t item) { return ItemDraws(key, {item}).Uniform({8}); };
  const torch::Tensor base = draw({1, 0}, 5);
  EXPECT_FALSE(base.equal(draw({1, 1}, 5)));
  EXPECT_FALSE(base.equal(draw({2, 0}, 5)));
  EXPECT_FALSE(base.equal(draw({1, 0}, 6)));
  EXPECT_FALSE(base.equal(draw({1, 0, "mask"}, 5)));
}

TEST(ItemDraws, FollowTheirDistributions) {
  std::vector<int64_t> items(2000);
  for (size_t i = 0; i < items.size(); ++i) items[i] = static_cast<int64_t>(i);
  ItemDraws draws({1, 0}, items);
  const torch::Tensor uniform = draws.Uniform({10}), normal = draws.Normal({10}), integers = draws.Integers(8);
  // Standard errors of a mean over 20,000: 0.002 and 0.007.
  EXPECT_NEAR(uniform.mean().item<double>(), 0.5, 0.01);
  EXPECT_NEAR(uniform.var().item<double>(), 1.0 / 12, 0.003);
  EXPECT_NEAR(normal.mean().item<double>(), 0, 0.03);
  EXPECT_NEAR(normal.std().item<double>(), 1, 0.03);
  EXPECT_EQ(integers.sizes(), (torch::IntArrayRef{2000}));
  for (int64_t value = 0; value < 8; ++value) EXPECT_NEAR((integers == value).sum().item<double>(), 250, 60);
  double sum = 0;
  for (int64_t i = 0; i < draws.size(); ++i) sum += draws.One(i);
  EXPECT_NEAR(sum / 2000, 0.5, 0.03);
}

}  // namespace item_draws_test
}  // namespace genvinci
