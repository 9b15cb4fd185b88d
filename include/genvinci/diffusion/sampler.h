#pragma once

#include <torch/torch.h>

#include <functional>
#include <memory>
#include <vector>

#include "genvinci/diffusion/objective.h"

namespace genvinci {

// The network at one timestep for the whole batch, guidance applied.
using Denoise = std::function<torch::Tensor(const torch::Tensor& x_BCHW, int64_t timestep)>;
// Fresh noise for sampling step `step` (0 is the first), of the latents' shape, from each sample's own stream.
using StepNoise = std::function<torch::Tensor(int64_t step)>;

// From start noise (unit variance) to latents. A sampler is one file and one line in MakeSampler.
class Sampler {
 public:
  virtual ~Sampler() = default;
  virtual torch::Tensor Sample(const Denoise& denoise, const torch::Tensor& noise_BCHW,
                               const StepNoise& step_noise) const = 0;
};

// The visible registry. `schedule` and `objective` must outlive the sampler. ConfigError (SAMPLER) for an unknown name,
// (SAMPLER_STEPS) for a number of steps that the noise process does not allow.
std::unique_ptr<Sampler> MakeSampler(const SamplerOptions& options, const NoiseSchedule& schedule,
                                     const Objective& objective);

// What MakeSampler chooses from: one maker a source file.
std::unique_ptr<Sampler> MakeDdimSampler(const SamplerOptions& options, const NoiseSchedule& schedule,
                                         const Objective& objective);

// The timesteps that `steps` sampling steps visit, descending: i * (noise_steps / steps) + 1, as Stable Diffusion and
// diffusers ("leading" spacing with an offset of 1) have them. With a number that does not divide noise_steps the first
// one lies below the noisiest. ConfigError (SAMPLER_STEPS) names the nearest number for which all are below
// noise_steps.
std::vector<int64_t> LeadingTimesteps(int64_t steps, int64_t noise_steps);

}  // namespace genvinci
