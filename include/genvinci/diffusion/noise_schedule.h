#pragma once

#include <torch/torch.h>

#include "genvinci/diffusion/diffusion_options.h"

namespace genvinci {

// The forward process q(x_t | x_0) = N(sqrt(abar_t) x_0, 1 - abar_t) (Ho et al. 2020), with Stable Diffusion's betas,
// which are linear in their square root.
class NoiseSchedule {
 public:
  // ConfigError (DIFFUSION_BETAS) when beta_end is below beta_start.
  explicit NoiseSchedule(const DiffusionConfig& config);

  int64_t steps() const { return alphas_cumprod_.size(0); }
  const torch::Tensor& alphas_cumprod() const { return alphas_cumprod_; }  // abar (steps), float64 on the CPU
  double AlphaCumprod(int64_t t) const;                                    // abar_t; t = -1 gives 1

  // abar of each observation (B, 1, 1, 1) in the type and on the device of `like`; timesteps_B int64 in [0, steps).
  torch::Tensor AlphasOf(const torch::Tensor& timesteps_B, const torch::Tensor& like) const;

  // x_t of latents x_0 (B, C, H, W) at timesteps_B.
  torch::Tensor AddNoise(const torch::Tensor& x0_BCHW, const torch::Tensor& noise_BCHW,
                         const torch::Tensor& timesteps_B) const;

 private:
  torch::Tensor alphas_cumprod_;
};

}  // namespace genvinci
