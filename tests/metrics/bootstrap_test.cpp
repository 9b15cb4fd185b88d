#include "genvinci/metrics/bootstrap.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "genvinci/core/error.h"
#include "genvinci/tensor/convert.h"
#include "genvinci/tensor/random.h"

namespace genvinci {
namespace bootstrap_test {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// From numpy and scikit-learn; scripts/golden/make_feature_metrics.py says how.
torch::Tensor Golden(const std::string& name) {
  static const SafetensorsFile file(GENVINCI_SOURCE_DIR "/tests/metrics/data/feature_metrics.safetensors");
  return ToTensor(file.View("bootstrap." + name));
}

// The weights of the drawn row numbers.
torch::Tensor GoldenWeights() {
  const torch::Tensor rows_RN = Golden("rows");
  const torch::Tensor weights_RN = torch::zeros(rows_RN.sizes(), torch::kFloat64);
  return weights_RN.scatter_add(1, rows_RN, torch::ones(rows_RN.sizes(), torch::kFloat64));
}

torch::Tensor Numbers(const std::vector<double>& numbers) { return torch::tensor(numbers, torch::kFloat64); }
torch::Tensor Labels(const std::vector<int64_t>& labels) { return torch::tensor(labels, torch::kInt64); }

TEST(Bootstrap, MeansAndIntervalsEqualNumpy) {
  const torch::Tensor means_R = WeightedMeans(Golden("values"), GoldenWeights());
  EXPECT_EQ(means_R.scalar_type(), torch::kFloat64);
  EXPECT_LT((means_R - Golden("means")).abs().max().item<double>(), 1e-12);
  const Interval middle_95 = PercentileInterval(means_R), middle_80 = PercentileInterval(means_R, 0.8);
  EXPECT_NEAR(middle_95.low, Golden("interval_95")[0].item<double>(), 1e-12);
  EXPECT_NEAR(middle_95.high, Golden("interval_95")[1].item<double>(), 1e-12);
  EXPECT_NEAR(middle_80.low, Golden("interval_80")[0].item<double>(), 1e-12);
  EXPECT_NEAR(middle_80.high, Golden("interval_80")[1].item<double>(), 1e-12);
}

TEST(Bootstrap, BalancedAccuraciesEqualScikitLearn) {
  EXPECT_LT(Golden("classes_drawn").min().item<int64_t>(), Golden("classes_drawn").max().item<int64_t>());
  const torch::Tensor scores_R = BalancedAccuracies(Golden("truth"), Golden("predicted"), GoldenWeights());
  EXPECT_EQ(scores_R.scalar_type(), torch::kFloat64);
  EXPECT_LT((scores_R - Golden("balanced")).abs().max().item<double>(), 1e-12);
}

TEST(RowWeightsOf, RowsAreCountsThatSumToN) {
  const torch::Tensor weights = RowWeights(50, 400, RandomStream(1, "bootstrap"));
  EXPECT_EQ(weights.sizes(), (std::vector<int64_t>{400, 50}));
  EXPECT_TRUE(weights.equal(weights.round()));
  EXPECT_GE(weights.min().item<double>(), 0);
  EXPECT_TRUE((weights.sum(1) == 50).all().item<bool>());
  // Each count is binomial: n draws with probability 1 / n.
  EXPECT_NEAR(weights.var().item<double>(), 1 - 1 / 50.0, 0.05);
  EXPECT_NEAR((weights == 0).to(torch::kFloat64).mean().item<double>(), std::pow(1 - 1 / 50.0, 50), 0.01);
  EXPECT_LT((weights.mean(0) - 1).abs().max().item<double>(), 0.25);  // 5 standard errors
}

TEST(RowWeightsOf, ASeedRepeats) {
  const torch::Tensor weights = RowWeights(20, 5, RandomStream(1, "bootstrap"));
  EXPECT_TRUE(weights.equal(RowWeights(20, 5, RandomStream(1, "bootstrap"))));
  EXPECT_FALSE(weights.equal(RowWeights(20, 5, RandomStream(2, "bootstrap"))));
  EXPECT_FALSE(weights[0].equal(weights[1]));
}

TEST(GroupWeightsOf, RowsOfAGroupAreDrawnTogether) {
  const torch::Tensor groups = Labels({7, -3, 7, 100, -3, 7});
  const torch::Tensor weights = GroupWeights(groups, 300, RandomStream(3, "bootstrap"));
  EXPECT_EQ(weights.sizes(), (std::vector<int64_t>{300, 6}));
  for (const auto& [row, fellow] : {std::pair{0, 2}, {0, 5}, {1, 4}})
    EXPECT_TRUE(weights.select(1, row).equal(weights.select(1, fellow)));
  // Three groups are drawn each time, one row of each counted here.
  EXPECT_TRUE((weights.index_select(1, Labels({0, 1, 3})).sum(1) == 3).all().item<bool>());
  EXPECT_NEAR(weights.select(1, 3).mean().item<double>(), 1, 0.25);
  EXPECT_GT(weights.sum(1).max().item<double>(), 6);  // as in 7, 7, 7: nine rows
}

TEST(GroupWeightsOf, GroupsOfOneAreRows) {
  EXPECT_TRUE(GroupWeights(torch::arange(9), 4, RandomStream(1, "bootstrap"))
                  .equal(RowWeights(9, 4, RandomStream(1, "bootstrap"))));
}

TEST(WeightedMeansOf, NanIsLeftOutAndInfinityCountsWhereDrawn) {
  const torch::Tensor values = Numbers({1, kNan, 4, kInfinity, -kInfinity});
  const torch::Tensor weights = torch::tensor(
      {{2.0, 9.0, 1.0, 0.0, 0.0}, {1.0, 0.0, 0.0, 1.0, 0.0}, {1.0, 0.0, 0.0, 0.0, 2.0}, {0.0, 3.0, 0.0, 0.0, 0.0}},
      torch::kFloat64);
  const torch::Tensor means = WeightedMeans(values, weights);
  EXPECT_DOUBLE_EQ(means[0].item<double>(), 2);
  EXPECT_EQ(means[1].item<double>(), kInfinity);
  EXPECT_EQ(means[2].item<double>(), -kInfinity);
  EXPECT_TRUE(std::isnan(means[3].item<double>()));
}

TEST(BalancedAccuraciesOf, ClassesCountEquallyAndUnlabelledRowsDoNot) {
  const torch::Tensor truth = Labels({0, 0, 0, 5, -1}), predicted = Labels({0, 0, 5, 5, -1});
  const torch::Tensor weights =
      torch::tensor({{1.0, 1.0, 1.0, 1.0, 1.0}, {1.0, 0.0, 3.0, 0.0, 1.0}, {0.0, 0.0, 0.0, 0.0, 5.0}}, torch::kFloat64);
  const torch::Tensor scores = BalancedAccuracies(truth, predicted, weights);
  EXPECT_DOUBLE_EQ(scores[0].item<double>(), (2 / 3.0 + 1) / 2);
  EXPECT_DOUBLE_EQ(scores[1].item<double>(), 1 / 4.0);
  EXPECT_TRUE(std::isnan(scores[2].item<double>()));
  EXPECT_TRUE(BalancedAccuracies(Labels({-1}), Labels({0}), torch::ones({2, 1})).isnan().all().item<bool>());
}

TEST(PercentileIntervalOf, InterpolatesAndLeavesNanOut) {
  const Interval half = PercentileInterval(Numbers({4, kNan, 1, 2, 3}), 0.5);
  EXPECT_DOUBLE_EQ(half.low, 1.75);
  EXPECT_DOUBLE_EQ(half.high, 3.25);
  const Interval one = PercentileInterval(Numbers({8}));
  EXPECT_EQ(one.low, 8);
  EXPECT_EQ(one.high, 8);
  EXPECT_TRUE(std::isnan(PercentileInterval(Numbers({kNan, kNan})).low));
  const Interval infinite = PercentileInterval(Numbers({1, 2, 3, kInfinity, kInfinity}), 0.5);
  EXPECT_EQ(infinite.low, 2);
  EXPECT_EQ(infinite.high, kInfinity);
}

// The standard error of a mean is sigma / sqrt(n); of rows that come in equal pairs it is sqrt(2) larger.
TEST(Bootstrap, IntervalsAreAsWideAsTheNormalOnes) {
  const torch::Tensor halves = torch::randn({200}, RandomStream(5, "test"), torch::kFloat64);
  const torch::Tensor values = halves.repeat(2), pairs = torch::arange(200).repeat(2);
  const double error = values.std(/*unbiased=*/false).item<double>() / std::sqrt(400.0);
  const auto width = [&](const torch::Tensor& weights) {
    const Interval interval = PercentileInterval(WeightedMeans(values, weights));
    return (interval.high - interval.low) / (2 * 1.96 * error);
  };
  EXPECT_NEAR(width(RowWeights(400, 2000, RandomStream(6, "bootstrap"))), 1, 0.08);
  EXPECT_NEAR(width(GroupWeights(pairs, 2000, RandomStream(6, "bootstrap"))), std::sqrt(2.0), 0.12);
}

TEST(BootstrapOf, RefusesShapesThatDoNotFit) {
  const torch::Tensor values = torch::ones(3), labels = torch::zeros(3, torch::kInt64);
  EXPECT_THROW(RowWeights(0, 5, RandomStream(1, "bootstrap")), InternalError);
  EXPECT_THROW(RowWeights(5, 0, RandomStream(1, "bootstrap")), InternalError);
  EXPECT_THROW(GroupWeights(values, 5, RandomStream(1, "bootstrap")), InternalError);
  EXPECT_THROW(WeightedMeans(values, torch::ones({2, 4})), InternalError);
  EXPECT_THROW(WeightedMeans(values, torch::ones(3)), InternalError);
  EXPECT_THROW(BalancedAccuracies(labels, torch::zeros(4, torch::kInt64), torch::ones({2, 3})), InternalError);
  EXPECT_THROW(BalancedAccuracies(labels, values, torch::ones({2, 3})), InternalError);
  EXPECT_THROW(PercentileInterval(torch::ones({2, 2})), InternalError);
  EXPECT_THROW(PercentileInterval(values, 1), InternalError);
}

}  // namespace bootstrap_test
}  // namespace genvinci
