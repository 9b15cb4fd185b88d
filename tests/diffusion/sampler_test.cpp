#include "genvinci/diffusion/sampler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "genvinci/core/error.h"
#include "genvinci/tensor/convert.h"

namespace genvinci {
namespace {

// From diffusers; scripts/golden/samplers.py says how.
const SafetensorsFile& Golden() {
  static const SafetensorsFile file(GENVINCI_SOURCE_DIR "/tests/diffusion/data/ddim.safetensors");
  return file;
}

torch::Tensor Network(const torch::Tensor& x, int64_t t) {
  return torch::tanh(0.3 * x + 0.01 * static_cast<double>(t) / 1000);
}

struct GoldenCase {
  const char* name;
  const char* objective;
  int64_t steps;
  double eta;
};

class DdimGolden : public testing::TestWithParam<GoldenCase> {};

TEST_P(DdimGolden, EqualsDiffusers) {
  const GoldenCase& test = GetParam();
  DiffusionConfig config;
  config.objective = test.objective;
  const NoiseSchedule schedule(config);
  const Objective objective(config, schedule);
  SamplerOptions options;
  options.steps = test.steps;
  options.eta = test.eta;
  std::vector<int64_t> visited;
  const Denoise denoise = [&](const torch::Tensor& x, int64_t t) {
    visited.push_back(t);
    return Network(x, t);
  };
  const torch::Tensor noises = ToTensor(Golden().View("step_noise"));
  const torch::Tensor made =
      MakeSampler(options, schedule, objective)->Sample(denoise, ToTensor(Golden().View("start")), [&](int64_t step) {
        return noises[step];
      });
  EXPECT_TRUE(torch::equal(torch::tensor(visited), ToTensor(Golden().View(std::string(test.name) + ".timesteps"))));
  EXPECT_TRUE(torch::allclose(made, ToTensor(Golden().View(test.name)), 1e-9, 1e-9));
}

INSTANTIATE_TEST_SUITE_P(Ddim, DdimGolden,
                         testing::Values(GoldenCase{"eps_50", "eps", 50, 0}, GoldenCase{"eps_7", "eps", 7, 0},
                                         GoldenCase{"v_20", "v", 20, 0}, GoldenCase{"eps_10_eta", "eps", 10, 0.6},
                                         GoldenCase{"v_10_eta", "v", 10, 1.0}),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(LeadingTimesteps, AreDescendingAndOffByOne) {
  EXPECT_THAT(LeadingTimesteps(4, 1000), testing::ElementsAre(751, 501, 251, 1));
  EXPECT_EQ(LeadingTimesteps(999, 1000).front(), 999);
}

TEST(LeadingTimesteps, RefusesWhatReachesBeyondAndNamesTheNearest) {
  for (const int64_t steps : {1000, 1200}) {
    try {
      LeadingTimesteps(steps, 1000);
      FAIL() << steps;
    } catch (const ConfigError& error) {
      EXPECT_EQ(error.name(), "SAMPLER_STEPS");
      EXPECT_THAT(error.what(), testing::HasSubstr("999"));
    }
  }
}

TEST(MakeSampler, RefusesAnUnknownName) {
  const NoiseSchedule schedule{DiffusionConfig{}};
  const Objective objective(DiffusionConfig{}, schedule);
  SamplerOptions options;
  options.sampler = "nothing";
  EXPECT_THROW(MakeSampler(options, schedule, objective), ConfigError);
}

}  // namespace
}  // namespace genvinci
