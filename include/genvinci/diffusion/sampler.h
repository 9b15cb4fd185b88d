#pragma once

#include <torch/torch.h>

#include <functional>
#include <memory>

#include "genvinci/diffusion/objective.h"

namespace genvinci {

// The network at one timestep for the whole batch, guidance applied.
using Denoise = std::function<torch::Tensor(const torch::Tensor& x_BCHW, int64_t timestep)>;
// Fresh noise for sampling step `step`, of the latents' shape, from each sample's own stream.
using StepNoise = std::function<torch::Tensor(int64_t step)>;

// From start noise (unit variance) to latents. A sampler is one file and one line in MakeSampler.
class Sampler {
 public:
  virtual ~Sampler() = default;
  virtual torch::Tensor Sample(const Denoise& denoise, const torch::Tensor& noise_BCHW, const StepNoise& step_noise) const = 0;
};

// `schedule` and `objective` must outlive the sampler.
std::unique_ptr<Sampler> MakeSampler(const SamplerOptions& options, const NoiseSchedule& schedule, const Objective& objective);

}  // namespace genvinci
