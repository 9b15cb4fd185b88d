#include "genvinci/diffusion/sampler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "genvinci/core/error.h"
#include "genvinci/nn/guided_step.h"
#include "genvinci/tensor/convert.h"

namespace genvinci {
namespace sampler_test {

// From diffusers; scripts/golden/samplers.py says how.
const SafetensorsFile& Golden() {
  static const SafetensorsFile file(GENVINCI_SOURCE_DIR "/tests/diffusion/data/samplers.safetensors");
  return file;
}

torch::Tensor Start() { return ToTensor(Golden().View("start")); }

torch::Tensor Network(const torch::Tensor& x, double t) { return torch::tanh(0.3 * x + 0.01 * t / 1000); }

struct SamplingCase {
  explicit SamplingCase(const std::string& name, int64_t steps, const std::string& kind = "eps") {
    config.objective = kind;
    options.sampler = name;
    options.steps = steps;
  }

  // `visited`: the timesteps at which the network is asked.
  torch::Tensor Sample(const SampleStart& start, std::vector<double>* visited = nullptr) const {
    const NoiseSchedule schedule(config);
    const Objective objective(config, schedule);
    const torch::Tensor noises = ToTensor(Golden().View("step_noise"));
    const auto predict = [&](const torch::Tensor& x, const NoiseLevel& level) {
      if (visited) visited->push_back(level.timestep);
      return Network(x, level.timestep);
    };
    const auto estimate = [&](const torch::Tensor& x, const NoiseLevel& level) {
      return objective.FromPrediction(predict(x, level), x, level);
    };
    // Halfway from 1 below the prediction to 1 above it.
    const auto step = [&](const torch::Tensor& x, const NoiseLevel& level, const NoiseLevel& next) {
      const torch::Tensor prediction = predict(x, level);
      const auto [of_x, of_prediction] = objective.StepBetween(level, next);
      return GuidedStep(x, prediction - 1, prediction + 1, {0.5, of_x, of_prediction});
    };
    const Denoise denoise = is_fused ? Denoise(estimate, step) : Denoise(estimate);
    return MakeSampler(options, schedule)->Sample(denoise, start, [&](int64_t step) { return noises[step]; });
  }

  DiffusionConfig config;
  SamplerOptions options;
  bool is_fused = false;  // guidance and step at once, where the sampler can
};

struct GoldenCase {
  const char* name;
  const char* sampler;
  const char* objective;
  int64_t steps;
  double eta = 0;
  double tolerance = 1e-9;
};

class SamplerGolden : public testing::TestWithParam<GoldenCase> {};

TEST_P(SamplerGolden, EqualsDiffusers) {
  const GoldenCase& test = GetParam();
  SamplingCase setup(test.sampler, test.steps, test.objective);
  setup.options.eta = test.eta;
  const torch::Tensor timesteps = ToTensor(Golden().View(std::string(test.name) + ".timesteps"));
  const torch::Tensor expected = ToTensor(Golden().View(test.name));
  for (const bool is_fused : {false, true}) {
    setup.is_fused = is_fused;
    std::vector<double> visited;
    const torch::Tensor made = setup.Sample({Start()}, &visited);
    EXPECT_TRUE(torch::allclose(torch::tensor(visited, torch::kFloat64), timesteps, 1e-6, 1e-4)) << timesteps;
    EXPECT_LE((made - expected).abs().max().item<double>(), test.tolerance * expected.abs().max().item<double>());
  }
}

// diffusers' DPM-Solver and Euler work in float32, and fractional timesteps are cut to it.
constexpr double kSingle = 1e-5;

INSTANTIATE_TEST_SUITE_P(Ddim, SamplerGolden,
                         testing::Values(GoldenCase{"ddim_eps_50", "ddim", "eps", 50},
                                         GoldenCase{"ddim_eps_7", "ddim", "eps", 7},
                                         GoldenCase{"ddim_v_20", "ddim", "v", 20},
                                         GoldenCase{"ddim_eps_10_eta", "ddim", "eps", 10, 0.6},
                                         GoldenCase{"ddim_v_10_eta", "ddim", "v", 10, 1.0}));
INSTANTIATE_TEST_SUITE_P(Pndm, SamplerGolden,
                         testing::Values(GoldenCase{"pndm_eps_1", "pndm", "eps", 1},
                                         GoldenCase{"pndm_eps_2", "pndm", "eps", 2},
                                         GoldenCase{"pndm_eps_7", "pndm", "eps", 7},
                                         GoldenCase{"pndm_eps_50", "plms", "eps", 50}));
INSTANTIATE_TEST_SUITE_P(DpmSolver, SamplerGolden,
                         testing::Values(GoldenCase{"dpmsolver++_eps_50", "dpmsolver++", "eps", 50, 0, kSingle},
                                         GoldenCase{"dpmsolver++_eps_4", "dpmsolver++", "eps", 4, 0, kSingle},
                                         GoldenCase{"dpmsolver++_v_20", "dpmsolver++", "v", 20, 0, kSingle},
                                         GoldenCase{"dpmsolver++_flow_10", "dpmsolver++", "flow", 10, 0, kSingle}));
INSTANTIATE_TEST_SUITE_P(UniPc, SamplerGolden,
                         testing::Values(GoldenCase{"unipc_eps_50", "unipc", "eps", 50},
                                         GoldenCase{"unipc_eps_4", "unipc", "eps", 4},
                                         GoldenCase{"unipc_v_20", "unipc", "v", 20},
                                         GoldenCase{"unipc_flow_10", "unipc", "flow", 10}));
INSTANTIATE_TEST_SUITE_P(Euler, SamplerGolden,
                         testing::Values(GoldenCase{"euler_eps_50", "euler", "eps", 50, 0, kSingle},
                                         GoldenCase{"euler_eps_4", "euler", "eps", 4, 0, kSingle},
                                         GoldenCase{"euler_v_20", "euler", "v", 20, 0, kSingle},
                                         GoldenCase{"euler_flow_10", "euler", "flow", 10, 0, kSingle},
                                         GoldenCase{"euler_ancestral_eps_10", "euler_ancestral", "eps", 10, 0, kSingle},
                                         GoldenCase{"euler_ancestral_v_10", "euler_ancestral", "v", 10, 0, kSingle}));
INSTANTIATE_TEST_SUITE_P(Heun, SamplerGolden,
                         testing::Values(GoldenCase{"heun_eps_50", "heun", "eps", 50, 0, kSingle},
                                         GoldenCase{"heun_eps_4", "heun", "eps", 4, 0, kSingle},
                                         GoldenCase{"heun_v_20", "heun", "v", 20, 0, kSingle},
                                         GoldenCase{"heun_flow_10", "heun", "flow", 10, 0, kSingle}));

class AnySampler : public testing::TestWithParam<const char*> {};

// With an estimate that is right wherever it is asked, every sampler ends at the image.
TEST_P(AnySampler, EndsAtWhatTheNetworkIsSureOf) {
  const SamplingCase setup(GetParam(), 10);
  const NoiseSchedule schedule(setup.config);
  const torch::Tensor image = torch::full({2, 2, 3, 3}, 0.25, torch::kFloat64);
  const Denoise sure = [&](const torch::Tensor& x, const NoiseLevel& level) {
    return Objective::Estimate{image, (x - level.signal * image) / level.noise};
  };
  const auto sampler = MakeSampler(setup.options, schedule);
  const torch::Tensor end = sampler->Sample(sure, {Start()}, [](int64_t) { return torch::randn({2, 2, 3, 3}); });
  const NoiseLevel& last = sampler->levels().back();
  EXPECT_TRUE(torch::allclose(end, last.signal * image, 1e-6, 4 * last.noise + 1e-9));
}

// img2img: only the last steps are asked for, from the image at their level of noise.
TEST_P(AnySampler, StartsFromLatentsByStrength) {
  const SamplingCase setup(GetParam(), 10);
  const torch::Tensor latents = torch::full({2, 2, 3, 3}, 0.5, torch::kFloat64);
  std::vector<double> all, some;
  setup.Sample({Start()}, &all);
  setup.Sample({Start(), latents, 0.3}, &some);
  const auto levels = MakeSampler(setup.options, NoiseSchedule(setup.config))->levels();
  EXPECT_DOUBLE_EQ(some.front(), levels[7].timestep);
  EXPECT_LT(some.size(), all.size());
  EXPECT_TRUE(torch::equal(setup.Sample({Start(), latents, 0}), latents));
  const Denoise first = [&](const torch::Tensor& x, const NoiseLevel& level) {
    if (level.timestep == levels[7].timestep) {
      EXPECT_TRUE(torch::allclose(x, level.signal * latents + level.noise * Start()));
    }
    return Objective::Estimate{latents, torch::zeros_like(x)};
  };
  MakeSampler(setup.options, NoiseSchedule(setup.config))->Sample(first, {Start(), latents, 0.3}, [](int64_t) {
    return torch::zeros({2, 2, 3, 3});
  });
}

INSTANTIATE_TEST_SUITE_P(Samplers, AnySampler,
                         testing::Values("ddim", "plms", "pndm", "dpmsolver++", "unipc", "euler", "euler_ancestral",
                                         "heun"));

std::string NameOfRefusal(const SamplerOptions& options, const DiffusionConfig& config) {
  try {
    MakeSampler(options, NoiseSchedule(config));
  } catch (const ConfigError& error) {
    return error.name() + ": " + error.what();
  }
  return "";
}

TEST(PlmsSteps, AreRefusedWhereTheReferenceWouldTakeOthers) {
  DiffusionConfig config;
  SamplerOptions options;
  options.sampler = "plms";
  for (const int64_t steps : {1, 2, 50, 250, 500}) {
    options.steps = steps;
    EXPECT_EQ(NameOfRefusal(options, config), "") << steps;
  }
  options.steps = 30;  // 1000 // 30 = 33, and range(0, 1000, 33) has 31 numbers
  EXPECT_THAT(NameOfRefusal(options, config), testing::AllOf(testing::StartsWith("SAMPLER_STEPS"),
                                                             testing::HasSubstr("31"), testing::HasSubstr("25 or 40")));
}

TEST(FlowSamplers, AreThoseThatAreDefinedForIt) {
  DiffusionConfig config;
  config.objective = "flow";
  SamplerOptions options;
  options.steps = 4;
  for (const char* name : {"ddim", "plms", "pndm", "euler_ancestral"}) {
    options.sampler = name;
    EXPECT_THAT(NameOfRefusal(options, config), testing::StartsWith("SAMPLER_FLOW")) << name;
  }
}

std::vector<double> TimestepsOf(const std::vector<NoiseLevel>& levels) {
  std::vector<double> timesteps;
  for (const NoiseLevel& level : levels) timesteps.push_back(level.timestep);
  return timesteps;
}

TEST(LeadingLevels, AreDescendingAndOffByOne) {
  const NoiseSchedule schedule{DiffusionConfig{}};
  EXPECT_THAT(TimestepsOf(LeadingLevels(4, schedule)), testing::ElementsAre(751, 501, 251, 1, 0));
  EXPECT_EQ(LeadingLevels(999, schedule).front().timestep, 999);
}

TEST(LeadingLevels, RefusesWhatReachesBeyondAndNamesTheNearest) {
  const NoiseSchedule schedule{DiffusionConfig{}};
  for (const int64_t steps : {1000, 1200}) {
    try {
      LeadingLevels(steps, schedule);
      FAIL() << steps;
    } catch (const ConfigError& error) {
      EXPECT_EQ(error.name(), "SAMPLER_STEPS");
      EXPECT_THAT(error.what(), testing::HasSubstr("999"));
    }
  }
}

TEST(MakeSampler, RefusesAnUnknownName) {
  SamplerOptions options;
  options.sampler = "nothing";
  EXPECT_THROW(MakeSampler(options, NoiseSchedule{DiffusionConfig{}}), ConfigError);
}

}  // namespace sampler_test
}  // namespace genvinci
