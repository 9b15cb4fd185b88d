#include "genvinci/diffusion/sampler.h"

#include <algorithm>
#include <cmath>

#include "genvinci/core/error.h"
#include "genvinci/core/text.h"

namespace genvinci {
namespace {

bool IsLeading(int64_t steps, int64_t noise_steps) {
  return steps >= 1 && steps <= noise_steps && (steps - 1) * (noise_steps / steps) + 1 < noise_steps;
}

int64_t NearestLeading(int64_t steps, int64_t noise_steps) {
  const int64_t start = std::clamp<int64_t>(steps, 1, noise_steps);
  for (int64_t distance = 0; distance < noise_steps; ++distance) {
    if (IsLeading(start - distance, noise_steps)) return start - distance;
    if (IsLeading(start + distance, noise_steps)) return start + distance;
  }
  return 1;
}

void RequireAtMost(int64_t steps, int64_t most) {
  if (steps >= 1 && steps <= most) return;
  throw ConfigError("SAMPLER_STEPS", "sampling.steps: {}, this noise process allows 1 to {}", steps, most);
}

}  // namespace

torch::Tensor Denoise::Step(const torch::Tensor& x_BCHW, const NoiseLevel& level, const NoiseLevel& next) const {
  return step_ ? step_(x_BCHW, level, next) : Compose(estimate_(x_BCHW, level), next);
}

torch::Tensor Sampler::Sample(const Denoise& denoise, const SampleStart& start, const StepNoise& step_noise) const {
  if (!start.latents_BCHW.defined()) return Solve(denoise, start.noise_BCHW * StartScale(), 0, step_noise);
  const auto kept = static_cast<int64_t>(static_cast<double>(steps()) * std::clamp(start.strength, 0.0, 1.0));
  if (kept == 0) return start.latents_BCHW;
  const NoiseLevel& level = At(steps() - kept);
  return Solve(denoise, level.signal * start.latents_BCHW + level.noise * start.noise_BCHW, steps() - kept, step_noise);
}

torch::Tensor Compose(const Objective::Estimate& estimate, const NoiseLevel& level) {
  return level.signal * estimate.x0_BCHW + level.noise * estimate.noise_BCHW;
}

std::vector<NoiseLevel> LeadingLevels(int64_t steps, const NoiseSchedule& schedule) {
  const int64_t noise_steps = schedule.steps();
  if (!IsLeading(steps, noise_steps)) {
    throw ConfigError("SAMPLER_STEPS",
                      "sampling.steps: {} steps reach beyond the {} steps of the noise process: the nearest that do "
                      "not are {}",
                      steps, noise_steps, NearestLeading(steps, noise_steps));
  }
  std::vector<NoiseLevel> levels;
  for (int64_t i = steps - 1; i >= 0; --i)
    levels.push_back(schedule.Level(static_cast<double>(i * (noise_steps / steps) + 1)));
  levels.push_back(schedule.Level(0));
  return levels;
}

std::vector<NoiseLevel> FractionalLevels(int64_t steps, const NoiseSchedule& schedule) {
  RequireAtMost(steps, schedule.steps());
  const double noise_steps = static_cast<double>(schedule.steps());
  const double last = schedule.is_flow() ? noise_steps : noise_steps - 1, first = schedule.is_flow() ? 1 : 0;
  std::vector<NoiseLevel> levels;
  for (int64_t i = 0; i < steps; ++i) {
    const double share = steps == 1 ? 0 : static_cast<double>(i) / static_cast<double>(steps - 1);
    // Timesteps are float32 in Python, which is what the network is asked at.
    levels.push_back(schedule.Level(static_cast<double>(static_cast<float>(last - share * (last - first)))));
  }
  levels.push_back(NoiseLevel{});
  return levels;
}

std::vector<NoiseLevel> MultistepLevels(int64_t steps, const NoiseSchedule& schedule) {
  RequireAtMost(steps, schedule.steps() - 1);
  const double last = static_cast<double>(schedule.steps() - 1), stride = last / static_cast<double>(steps);
  std::vector<NoiseLevel> levels;
  for (int64_t i = steps; i >= 1; --i) {
    const double timestep = i == steps ? last : static_cast<double>(i) * stride;
    levels.push_back(schedule.Level(schedule.is_flow() ? timestep : std::nearbyint(timestep)));  // halves to even
  }
  levels.push_back(NoiseLevel{});
  return levels;
}

std::unique_ptr<Sampler> MakeSampler(const SamplerOptions& options, const NoiseSchedule& schedule) {
  std::vector<std::string> usable;
  for (const SamplerEntry& entry : kSamplers) {
    if (!schedule.is_flow() || entry.supports_flow) usable.push_back(entry.name);
  }
  for (const SamplerEntry& entry : kSamplers) {
    if (options.sampler != entry.name) continue;
    if (!schedule.is_flow() || entry.supports_flow) return entry.make(options, schedule);
    throw ConfigError("SAMPLER_FLOW", "sampling.sampler: {} is not defined for a rectified flow: choose one of {}",
                      entry.name, JoinText(usable, ", "));
  }
  throw ConfigError("SAMPLER", "sampling.sampler: '{}' is not known: choose one of {}", options.sampler,
                    JoinText(usable, ", "));
}

}  // namespace genvinci
