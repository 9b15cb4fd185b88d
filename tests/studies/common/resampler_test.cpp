#include "genvinci/studies/common/resampler.h"

#include <gtest/gtest.h>

#include <cmath>

namespace genvinci {
namespace resampler_test {

std::vector<std::string> OneGroup(int64_t n) { return std::vector<std::string>(static_cast<size_t>(n), "a"); }

TEST(Resampler, MeansOverSamplesThenObservations) {
  const torch::Tensor values = torch::tensor({{1.0, 3.0}, {std::nan(""), 5.0}, {std::nan(""), std::nan("")}});
  const Estimate estimate = Resampler(OneGroup(3), 100, 0).Mean(values);
  EXPECT_DOUBLE_EQ(estimate.value, 3.5);
  EXPECT_GE(estimate.observations->low, 2);
  EXPECT_LE(estimate.observations->high, 5);
  EXPECT_FALSE(estimate.groups.has_value());
}

// The mean of n values of deviation s lies within 1.96 s / sqrt(n).
TEST(Resampler, IntervalIsTheNormalOnes) {
  torch::manual_seed(4);
  const torch::Tensor values = torch::randn({400, 1}, torch::kFloat64);
  const Estimate estimate = Resampler(OneGroup(400), 4000, 1).Mean(values);
  const double half = 1.96 * values.std().item<double>() / 20;
  EXPECT_NEAR(estimate.observations->low, estimate.value - half, 0.1 * half);
  EXPECT_NEAR(estimate.observations->high, estimate.value + half, 0.1 * half);
  EXPECT_FALSE(estimate.seeds.has_value());
}

TEST(Resampler, GroupsAndSeedsHaveIntervalsOfTheirOwn) {
  // Two groups that differ, two seeds that differ; nothing else does.
  torch::Tensor values = torch::zeros({40, 2}, torch::kFloat64);
  values.narrow(0, 0, 20).add_(1);
  values.select(1, 1).add_(0.5);
  std::vector<std::string> groups(40, "a");
  for (size_t i = 20; i < 40; ++i) groups[i] = "b";
  const Estimate estimate = Resampler(groups, 500, 2).Mean(values);
  EXPECT_DOUBLE_EQ(estimate.value, 0.75);
  EXPECT_DOUBLE_EQ(estimate.groups->low, 0.25);
  EXPECT_DOUBLE_EQ(estimate.groups->high, 1.25);
  EXPECT_DOUBLE_EQ(estimate.seeds->low, 0.5);
  EXPECT_DOUBLE_EQ(estimate.seeds->high, 1.0);
  const Estimate first = Resampler(groups, 500, 2).Subset(torch::arange(20)).Mean(values.narrow(0, 0, 20));
  EXPECT_DOUBLE_EQ(first.value, 1.25);
  EXPECT_DOUBLE_EQ(first.observations->high, 1.25);
}

TEST(Resampler, CentredIntervalsLieAroundTheValue) {
  // The variance of resampled rows is too small by 1 / n; around the value itself it is not.
  torch::manual_seed(5);
  const torch::Tensor values = torch::randn({100}, torch::kFloat64);
  const auto variance = [&](const torch::Tensor& weights_RN) {
    EXPECT_TRUE(torch::equal(weights_RN.sum(1), torch::full({200}, 100.0, torch::kFloat64)));
    return weights_RN.matmul(values.square()) / 100 - (weights_RN.matmul(values) / 100).square();
  };
  const double value = 3;
  const auto interval = Resampler(OneGroup(100), 200, 1).CentredInterval(value, variance);
  // The variance of a normal sample's variance is 2 / n.
  EXPECT_NEAR(interval->high - interval->low, 2 * 1.96 * std::sqrt(2.0 / 100), 0.15);
  EXPECT_NEAR((interval->high + interval->low) / 2, value, 0.1);
  EXPECT_FALSE(Resampler(OneGroup(100), 0, 1).CentredInterval(value, variance).has_value());
}

TEST(Resampler, NoResamplesNoIntervals) {
  const Json json = Resampler(OneGroup(3), 0, 0).Mean(torch::ones({3, 2}, torch::kFloat64)).ToJson();
  EXPECT_EQ(json, (Json{{"value", 1.0}, {"ci95", nullptr}, {"ci95_groups", nullptr}, {"ci95_seeds", nullptr}}));
}

}  // namespace resampler_test
}  // namespace genvinci
