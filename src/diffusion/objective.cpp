#include "genvinci/diffusion/objective.h"

#include <cmath>
#include <utility>

#include "genvinci/core/error.h"

namespace genvinci {

Objective::Objective(const DiffusionConfig& config, NoiseSchedule schedule)
    : config_(config), schedule_(std::move(schedule)) {
  if (config.objective != "eps" && config.objective != "v") {
    throw ConfigError("DIFFUSION_OBJECTIVE", "diffusion.objective: '{}' is not known: choose eps or v",
                      config.objective);
  }
}

torch::Tensor Objective::Target(const torch::Tensor& x0_BCHW, const torch::Tensor& noise_BCHW,
                                const torch::Tensor& timesteps_B) const {
  if (config_.objective == "eps") return noise_BCHW;
  const torch::Tensor alphas = schedule_.AlphasOf(timesteps_B, x0_BCHW);
  return alphas.sqrt() * noise_BCHW - (1 - alphas).sqrt() * x0_BCHW;
}

torch::Tensor Objective::Weight(const torch::Tensor& timesteps_B) const {
  const auto options = torch::TensorOptions().dtype(torch::kFloat32).device(timesteps_B.device());
  if (config_.min_snr_gamma == 0) return torch::ones({timesteps_B.size(0)}, options);
  const torch::Tensor alphas = schedule_.alphas_cumprod().index_select(0, timesteps_B.cpu());
  const torch::Tensor snr = alphas / (1 - alphas);
  const torch::Tensor divisor = config_.objective == "eps" ? snr : snr + 1;
  return (snr.clamp_max(config_.min_snr_gamma) / divisor).to(options);
}

Objective::Estimate Objective::FromPrediction(const torch::Tensor& prediction_BCHW, const torch::Tensor& x_BCHW,
                                              int64_t timestep) const {
  const double alpha = schedule_.AlphaCumprod(timestep);
  const double signal = std::sqrt(alpha), noise = std::sqrt(1 - alpha);
  if (config_.objective == "eps") return {(x_BCHW - noise * prediction_BCHW) / signal, prediction_BCHW};
  return {signal * x_BCHW - noise * prediction_BCHW, signal * prediction_BCHW + noise * x_BCHW};
}

}  // namespace genvinci
