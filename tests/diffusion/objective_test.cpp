#include "genvinci/diffusion/objective.h"

#include <gtest/gtest.h>

#include <cmath>

#include "genvinci/core/error.h"

namespace genvinci {
namespace {

// abar_t as a plain product.
double Product(int64_t t) {
  double product = 1;
  for (int64_t i = 0; i <= t; ++i) {
    const double root = std::sqrt(0.00085) + (std::sqrt(0.012) - std::sqrt(0.00085)) * static_cast<double>(i) / 999;
    product *= 1 - root * root;
  }
  return product;
}

TEST(NoiseSchedule, IsTheProductOfOneLessBeta) {
  const NoiseSchedule schedule{DiffusionConfig{}};
  EXPECT_EQ(schedule.steps(), 1000);
  EXPECT_EQ(schedule.AlphaCumprod(-1), 1);
  for (const int64_t t : {0, 1, 500, 999}) EXPECT_NEAR(schedule.AlphaCumprod(t), Product(t), 1e-12);
  EXPECT_NEAR(schedule.AlphaCumprod(999), 0.0046600, 1e-6);  // Stable Diffusion's last
  EXPECT_THROW(schedule.AlphaCumprod(1000), InternalError);
}

TEST(NoiseSchedule, AddsNoiseByEachObservationsTime) {
  const NoiseSchedule schedule{DiffusionConfig{}};
  const torch::Tensor x0 = torch::full({2, 1, 1, 1}, 2.0), noise = torch::full({2, 1, 1, 1}, -1.0);
  const torch::Tensor noisy = schedule.AddNoise(x0, noise, torch::tensor({0, 700}));
  for (const auto& [row, t] : {std::pair{0, 0}, {1, 700}}) {
    EXPECT_NEAR(noisy[row].item<double>(), 2 * std::sqrt(Product(t)) - std::sqrt(1 - Product(t)), 1e-5);
  }
}

TEST(NoiseSchedule, RefusesNoiseThatShrinks) {
  DiffusionConfig config;
  config.beta_end = 1e-5;
  EXPECT_THROW(NoiseSchedule{config}, ConfigError);
}

class ObjectiveTest : public testing::TestWithParam<const char*> {};

TEST_P(ObjectiveTest, EstimatesUndoTheTarget) {
  DiffusionConfig config;
  config.objective = GetParam();
  const NoiseSchedule schedule(config);
  const Objective objective(config, schedule);
  const auto options = torch::TensorOptions().dtype(torch::kFloat64);
  const torch::Tensor x0 = torch::randn({3, 2, 4, 4}, options), noise = torch::randn({3, 2, 4, 4}, options);
  const torch::Tensor times = torch::full({3}, 640, torch::kInt64);
  const torch::Tensor noisy = schedule.AddNoise(x0, noise, times);
  const Objective::Estimate estimate = objective.FromPrediction(objective.Target(x0, noise, times), noisy, 640);
  EXPECT_TRUE(torch::allclose(estimate.x0_BCHW, x0, 1e-9, 1e-9));
  EXPECT_TRUE(torch::allclose(estimate.noise_BCHW, noise, 1e-9, 1e-9));
}

INSTANTIATE_TEST_SUITE_P(Objective, ObjectiveTest, testing::Values("eps", "v"));

TEST(Objective, TargetOfVFollowsItsFormula) {
  DiffusionConfig config;
  config.objective = "v";
  const Objective objective(config, NoiseSchedule(config));
  const torch::Tensor target =
      objective.Target(torch::full({1, 1, 1, 1}, 3.0), torch::full({1, 1, 1, 1}, 0.5), torch::tensor({200}));
  EXPECT_NEAR(target.item<double>(), 0.5 * std::sqrt(Product(200)) - 3 * std::sqrt(1 - Product(200)), 1e-5);
}

TEST(Objective, WeightsByMinSnr) {
  const torch::Tensor times = torch::tensor({1, 900});
  DiffusionConfig config;
  EXPECT_TRUE(torch::equal(Objective(config, NoiseSchedule(config)).Weight(times), torch::ones({2})));
  config.min_snr_gamma = 5;
  const double high = Product(1) / (1 - Product(1)), low = Product(900) / (1 - Product(900));
  const torch::Tensor eps = Objective(config, NoiseSchedule(config)).Weight(times);
  EXPECT_NEAR(eps[0].item<double>(), 5 / high, 1e-6);
  EXPECT_NEAR(eps[1].item<double>(), 1, 1e-6);
  config.objective = "v";
  const torch::Tensor v = Objective(config, NoiseSchedule(config)).Weight(times);
  EXPECT_NEAR(v[0].item<double>(), 5 / (high + 1), 1e-6);
  EXPECT_NEAR(v[1].item<double>(), low / (low + 1), 1e-6);
}

}  // namespace
}  // namespace genvinci
