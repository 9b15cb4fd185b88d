#pragma once

#include <torch/torch.h>

#include "genvinci/diffusion/diffusion_options.h"

namespace genvinci {

// A point of the noise process: x_t = signal * x_0 + noise * eps. The network is told `timestep`, which samplers also
// place between those it was trained at.
struct NoiseLevel {
  double timestep = 0, signal = 1, noise = 0;

  // noise / signal, where the signal counts as at least 2^-12 (diffusers' value): samplers divide by it.
  double Sigma() const;
  double LogSnr() const;  // -log(sigma), half the log signal-to-noise ratio; infinite without noise
};

// The forward process. Diffusion (Ho et al. 2020): q(x_t | x_0) = N(sqrt(abar_t) x_0, 1 - abar_t) at the timesteps
// 0 .. steps - 1. Rectified flow (Liu et al. 2023), where the objective is "flow": x_t = (1 - t / steps) x_0 +
// (t / steps) eps at any t from 0 to steps.
class NoiseSchedule {
 public:
  // ConfigError DIFFUSION_BETAS when beta_end is below beta_start, DIFFUSION_ZERO_SNR for eps at zero terminal SNR,
  // where the noisiest images say nothing of it.
  explicit NoiseSchedule(const DiffusionConfig& config);

  int64_t steps() const { return steps_; }
  bool is_flow() const { return !alphas_cumprod_.defined(); }
  const torch::Tensor& alphas_cumprod() const { return alphas_cumprod_; }  // abar (steps), float64, CPU; not of a flow
  double AlphaCumprod(int64_t t) const;                                    // abar_t

  // Between two timesteps of a diffusion sigma is interpolated linearly (as diffusers does).
  NoiseLevel Level(double timestep) const;

  // Of each observation (B, 1, 1, 1), in the type and on the device of `like`. timesteps_B: int64 in [0, steps), or, of
  // a flow, floating.
  struct Coefficients {
    torch::Tensor signal_B111, noise_B111;
  };
  Coefficients Of(const torch::Tensor& timesteps_B, const torch::Tensor& like) const;

  // x_t of latents x_0 (B, C, H, W) at timesteps_B.
  torch::Tensor AddNoise(const torch::Tensor& x0_BCHW, const torch::Tensor& noise_BCHW,
                         const torch::Tensor& timesteps_B) const;

 private:
  int64_t steps_;
  torch::Tensor alphas_cumprod_;
};

}  // namespace genvinci
