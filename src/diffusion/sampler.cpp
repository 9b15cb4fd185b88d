#include "genvinci/diffusion/sampler.h"

#include <algorithm>

#include "genvinci/core/error.h"

namespace genvinci {
namespace {

bool InRange(int64_t steps, int64_t noise_steps) {
  return steps >= 1 && steps <= noise_steps && (steps - 1) * (noise_steps / steps) + 1 < noise_steps;
}

int64_t NearestValid(int64_t steps, int64_t noise_steps) {
  const int64_t start = std::clamp<int64_t>(steps, 1, noise_steps);
  for (int64_t distance = 0; distance < noise_steps; ++distance) {
    if (InRange(start - distance, noise_steps)) return start - distance;
    if (InRange(start + distance, noise_steps)) return start + distance;
  }
  return 1;
}

}  // namespace

std::vector<int64_t> LeadingTimesteps(int64_t steps, int64_t noise_steps) {
  if (!InRange(steps, noise_steps)) {
    throw ConfigError("SAMPLER_STEPS",
                      "sampling.steps: {} steps reach beyond the {} steps of the noise process: the nearest that do "
                      "not are {}",
                      steps, noise_steps, NearestValid(steps, noise_steps));
  }
  std::vector<int64_t> timesteps;
  for (int64_t i = steps - 1; i >= 0; --i) timesteps.push_back(i * (noise_steps / steps) + 1);
  return timesteps;
}

std::unique_ptr<Sampler> MakeSampler(const SamplerOptions& options, const NoiseSchedule& schedule,
                                     const Objective& objective) {
  if (options.sampler == "ddim") return MakeDdimSampler(options, schedule, objective);
  throw ConfigError("SAMPLER", "sampling.sampler: '{}' is not known: choose ddim", options.sampler);
}

}  // namespace genvinci
