#include "genvinci/diffusion/noise_schedule.h"

#include <cmath>

#include "genvinci/core/error.h"

namespace genvinci {

NoiseSchedule::NoiseSchedule(const DiffusionConfig& config) {
  if (config.beta_end < config.beta_start) {
    throw ConfigError("DIFFUSION_BETAS", "diffusion.beta_end: {} is below beta_start ({}): noise must grow",
                      config.beta_end, config.beta_start);
  }
  const torch::Tensor roots =
      torch::linspace(std::sqrt(config.beta_start), std::sqrt(config.beta_end), config.steps, torch::kFloat64);
  alphas_cumprod_ = (1 - roots.square()).cumprod(0);
}

double NoiseSchedule::AlphaCumprod(int64_t t) const {
  GENVINCI_CHECK(t >= -1 && t < steps(), "timestep {} of {}", t, steps());
  return t == -1 ? 1.0 : alphas_cumprod_.const_data_ptr<double>()[t];
}

torch::Tensor NoiseSchedule::AlphasOf(const torch::Tensor& timesteps_B, const torch::Tensor& like) const {
  return alphas_cumprod_.index_select(0, timesteps_B.cpu()).to(like.options()).view({-1, 1, 1, 1});
}

torch::Tensor NoiseSchedule::AddNoise(const torch::Tensor& x0_BCHW, const torch::Tensor& noise_BCHW,
                                      const torch::Tensor& timesteps_B) const {
  const torch::Tensor alphas = AlphasOf(timesteps_B, x0_BCHW);
  return alphas.sqrt() * x0_BCHW + (1 - alphas).sqrt() * noise_BCHW;
}

}  // namespace genvinci
