#pragma once

#include <memory>
#include <optional>
#include <string>

#include "genvinci/core/options.h"

namespace genvinci {

class NoiseSchedule;
class Sampler;
struct SamplerOptions;

// A sampler's factory: ConfigError SAMPLER_STEPS for a number of steps that the noise process does not allow.
using SamplerFactory = std::unique_ptr<Sampler>(const SamplerOptions& options, const NoiseSchedule& schedule);

// Each is defined in a source file of its own in src/diffusion.
SamplerFactory MakeDdimSampler, MakePlmsSampler, MakeDpmSolverSampler, MakeUniPcSampler, MakeEulerSampler,
    MakeHeunSampler;

// The visible registry of samplers: help's choices, errors and MakeSampler all come from it.
struct SamplerEntry {
  const char* name;
  SamplerFactory* make;
  bool supports_flow;  // defined for a rectified flow too
};
inline constexpr SamplerEntry kSamplers[] = {
    {"ddim", MakeDdimSampler, false},
    {"plms", MakePlmsSampler, false},
    {"pndm", MakePlmsSampler, false},
    {"dpmsolver++", MakeDpmSolverSampler, true},
    {"unipc", MakeUniPcSampler, true},
    {"euler", MakeEulerSampler, true},
    {"euler_ancestral", MakeEulerSampler, false},
    {"heun", MakeHeunSampler, true},
};
inline constexpr auto kSamplerNames = NamesIn(kSamplers);

// How images are drawn.
struct SamplerOptions {
  std::string sampler = "ddim";
  int64_t steps = 50;
  double eta = 0;
  double guidance = 1;
  double guidance_rescale = 0;
  std::optional<double> second_guidance = {};

  double ExtraGuidance() const { return second_guidance.value_or(guidance); }

  template <typename Visitor>
  void Fields(Visitor& v) {
    v.Group("Sampling");
    v("sampler", sampler, "sampling method; plms is the reference's, pndm the same as in diffusers",
      Choices{Listed(kSamplerNames)});
    v("steps", steps, "sampling steps", Range{1, 1000});
    v("eta", eta, "amount of fresh noise in each step of ddim (0: none)", Range{0, 1});
    v("guidance", guidance, "guidance scale w in u + w (c - u); 1: no guidance", Range{0, 100});
    v("guidance_rescale", guidance_rescale,
      "how far the guided prediction is scaled back to the standard deviation of the conditional one (0: not at all)",
      Range{0, 1});
    v("second_guidance", second_guidance,
      "guidance scale of the extra condition (neighbours, second vector; default: that of --guidance)", Range{0, 100});
  }
};

}  // namespace genvinci
