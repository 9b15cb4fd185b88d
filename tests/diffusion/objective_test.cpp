#include "genvinci/diffusion/objective.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "genvinci/core/error.h"

namespace genvinci {
namespace objective_test {

std::vector<int64_t> Items(int64_t count) {
  std::vector<int64_t> items(static_cast<size_t>(count));
  std::iota(items.begin(), items.end(), 0);
  return items;
}

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

TEST(NoiseSchedule, InterpolatesSigmaBetweenTimesteps) {
  const NoiseSchedule schedule{DiffusionConfig{}};
  const auto sigma = [](int64_t t) { return std::sqrt((1 - Product(t)) / Product(t)); };
  const NoiseLevel level = schedule.Level(300.25);
  EXPECT_NEAR(level.Sigma(), 0.75 * sigma(300) + 0.25 * sigma(301), 1e-9);
  EXPECT_NEAR(level.signal * level.signal + level.noise * level.noise, 1, 1e-12);
  EXPECT_NEAR(level.LogSnr(), -std::log(level.Sigma()), 1e-12);
}

// diffusers 0.42.1: DDIMScheduler(beta_schedule=..., rescale_betas_zero_snr=...).alphas_cumprod at 0, 500, 999.
TEST(NoiseSchedule, OtherSchedulesEqualDiffusers) {
  struct Case {
    const char* schedule;
    bool zero_snr;
    double first, middle, last;
  };
  for (const Case& test :
       {Case{"linear", false, 0.9991499781608582, 0.16077162325382233, 0.0015789627796038985},
        Case{"squaredcos_cap_v2", false, 0.9999586939811707, 0.4922850430011749, 2.4287349909002387e-09},
        Case{"scaled_linear", true, 0.9991499781608582, 0.2410186380147934, 0.0}}) {
    DiffusionConfig config;
    config.objective = "v";
    config.beta_schedule = test.schedule;
    config.rescale_betas_zero_snr = test.zero_snr;
    const NoiseSchedule schedule(config);
    EXPECT_NEAR(schedule.AlphaCumprod(0), test.first, 1e-6) << test.schedule;
    EXPECT_NEAR(schedule.AlphaCumprod(500), test.middle, 1e-6) << test.schedule;
    EXPECT_NEAR(schedule.AlphaCumprod(999), test.last, 1e-8) << test.schedule;
  }
}

TEST(NoiseSchedule, ZeroTerminalSnrNeedsAnotherObjectiveThanEps) {
  DiffusionConfig config;
  config.rescale_betas_zero_snr = true;
  EXPECT_THROW(NoiseSchedule{config}, ConfigError);
}

TEST(Flow, GoesStraightFromImageToNoise) {
  DiffusionConfig config;
  config.objective = "flow";
  const NoiseSchedule schedule(config);
  const torch::Tensor x0 = torch::full({2, 1, 1, 1}, 2.0), noise = torch::full({2, 1, 1, 1}, -1.0);
  const torch::Tensor noisy = schedule.AddNoise(x0, noise, torch::tensor({250.5, 1000.0}));
  EXPECT_NEAR(noisy[0].item<double>(), 2 * 0.7495 - 0.2505, 1e-6);
  EXPECT_NEAR(noisy[1].item<double>(), -1, 1e-6);
  EXPECT_TRUE(torch::equal(Objective(config, schedule).Target(x0, noise, torch::tensor({1.0, 2.0})), noise - x0));
}

TEST(Flow, TimesAreLogitNormal) {
  DiffusionConfig config;
  config.objective = "flow";
  const Objective objective(config, NoiseSchedule(config));
  ItemDraws draws({1, 0}, Items(20000));
  const torch::Tensor shares = objective.DrawTimesteps(draws) / 1000;
  const torch::Tensor logits = (shares / (1 - shares)).log();
  EXPECT_NEAR(logits.mean().item<double>(), 0, 0.03);
  EXPECT_NEAR(logits.std().item<double>(), 1, 0.03);
  config.min_snr_gamma = 5;
  EXPECT_THROW(Objective(config, NoiseSchedule(config)), ConfigError);
}

TEST(Diffusion, TimesAreWholeAndEquallyLikely) {
  const DiffusionConfig config;
  const Objective objective(config, NoiseSchedule(config));
  ItemDraws draws({1, 0}, Items(20000));
  const torch::Tensor times = objective.DrawTimesteps(draws);
  EXPECT_EQ(times.scalar_type(), torch::kInt64);
  EXPECT_NEAR(times.to(torch::kFloat64).mean().item<double>(), 499.5, 8);
  EXPECT_TRUE(torch::equal(objective.TimestepsAt(torch::tensor({0.0, 0.4999, 1.0})), torch::tensor({0, 499, 999})));
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
  const torch::Tensor times = torch::full({3}, 640, schedule.is_flow() ? torch::kFloat64 : torch::kInt64);
  const torch::Tensor noisy = schedule.AddNoise(x0, noise, times);
  const Objective::Estimate estimate =
      objective.FromPrediction(objective.Target(x0, noise, times), noisy, schedule.Level(640));
  EXPECT_TRUE(torch::allclose(estimate.x0_BCHW, x0, 1e-9, 1e-9));
  EXPECT_TRUE(torch::allclose(estimate.noise_BCHW, noise, 1e-9, 1e-9));
}

INSTANTIATE_TEST_SUITE_P(Objective, ObjectiveTest, testing::Values("eps", "v", "flow"));

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

}  // namespace objective_test
}  // namespace genvinci
