#include "genvinci/diffusion/objective.h"

#include <utility>

#include "genvinci/core/error.h"

namespace genvinci {

Objective::Objective(const DiffusionConfig& config, NoiseSchedule schedule)
    : config_(config), schedule_(std::move(schedule)) {
  if (config.objective != "eps" && config.objective != "v" && config.objective != "flow") {
    throw ConfigError("DIFFUSION_OBJECTIVE", "diffusion.objective: '{}' is not known: choose eps, v or flow",
                      config.objective);
  }
  if (config.objective == "flow" && config.min_snr_gamma != 0) {
    throw ConfigError("DIFFUSION_MIN_SNR", "diffusion.min_snr_gamma: {} weighs eps and v, not a flow: leave it at 0",
                      config.min_snr_gamma);
  }
}

torch::Tensor Objective::DrawTimesteps(ItemDraws& draws) const {
  if (!schedule_.is_flow()) return draws.Integers(schedule_.steps());
  return draws.Normal().sigmoid() * static_cast<double>(schedule_.steps());
}

torch::Tensor Objective::TimestepsAt(const torch::Tensor& shares_B) const {
  const torch::Tensor times_B = shares_B * static_cast<double>(schedule_.steps());
  return schedule_.is_flow() ? times_B : times_B.to(torch::kInt64).clamp_max(schedule_.steps() - 1);
}

torch::Tensor Objective::Target(const torch::Tensor& x0_BCHW, const torch::Tensor& noise_BCHW,
                                const torch::Tensor& timesteps_B) const {
  if (config_.objective == "eps") return noise_BCHW;
  if (config_.objective == "flow") return noise_BCHW - x0_BCHW;
  const NoiseSchedule::Coefficients at = schedule_.Of(timesteps_B, x0_BCHW);
  return at.signal_B111 * noise_BCHW - at.noise_B111 * x0_BCHW;
}

torch::Tensor Objective::Weight(const torch::Tensor& timesteps_B) const {
  const auto options = torch::TensorOptions().dtype(torch::kFloat32).device(timesteps_B.device());
  if (config_.min_snr_gamma == 0) return torch::ones({timesteps_B.size(0)}, options);
  const torch::Tensor alphas = schedule_.alphas_cumprod().to(timesteps_B.device()).index_select(0, timesteps_B);
  const torch::Tensor snr = alphas / (1 - alphas);
  const torch::Tensor divisor = config_.objective == "eps" ? snr : snr + 1;
  return (snr.clamp_max(config_.min_snr_gamma) / divisor).to(options);
}

Objective::Estimate Objective::FromPrediction(const torch::Tensor& prediction_BCHW, const torch::Tensor& x_BCHW,
                                              const NoiseLevel& level) const {
  if (config_.objective == "eps") return {(x_BCHW - level.noise * prediction_BCHW) / level.signal, prediction_BCHW};
  if (config_.objective == "flow")
    return {x_BCHW - level.noise * prediction_BCHW, x_BCHW + level.signal * prediction_BCHW};
  return {level.signal * x_BCHW - level.noise * prediction_BCHW, level.signal * prediction_BCHW + level.noise * x_BCHW};
}

Objective::LinearStep Objective::StepBetween(const NoiseLevel& level, const NoiseLevel& next) const {
  if (config_.objective == "eps") {
    const double kept = next.signal / level.signal;
    return {kept, next.noise - kept * level.noise};
  }
  if (config_.objective == "flow")
    return {next.signal + next.noise, next.noise * level.signal - next.signal * level.noise};
  return {next.signal * level.signal + next.noise * level.noise, next.noise * level.signal - next.signal * level.noise};
}

}  // namespace genvinci
