#include "genvinci/diffusion/noise_schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "genvinci/core/error.h"

namespace genvinci {
namespace {

constexpr double kLeastSignal = 1.0 / (1 << 12);

// Nichol and Dhariwal 2021, equation 17, with their cap on beta ("squaredcos_cap_v2" in diffusers).
torch::Tensor CosineBetas(int64_t steps) {
  constexpr double kMostBeta = 0.999;
  const auto alpha_bar = [&](int64_t i) {
    const double t = static_cast<double>(i) / static_cast<double>(steps);
    return std::pow(std::cos((t + 0.008) / 1.008 * std::numbers::pi / 2), 2);
  };
  torch::Tensor betas = torch::empty({steps}, torch::kFloat64);
  double* values = betas.data_ptr<double>();
  for (int64_t i = 0; i < steps; ++i) values[i] = std::min(1 - alpha_bar(i + 1) / alpha_bar(i), kMostBeta);
  return betas;
}

torch::Tensor Betas(const DiffusionConfig& config) {
  if (config.beta_schedule == "squaredcos_cap_v2") return CosineBetas(config.steps);
  if (config.beta_end < config.beta_start) {
    throw ConfigError("DIFFUSION_BETAS", "diffusion.beta_end: {} is below beta_start ({}): noise must grow",
                      config.beta_end, config.beta_start);
  }
  if (config.beta_schedule == "linear")
    return torch::linspace(config.beta_start, config.beta_end, config.steps, torch::kFloat64);
  return torch::linspace(std::sqrt(config.beta_start), std::sqrt(config.beta_end), config.steps, torch::kFloat64)
      .square();
}

// Shifts and stretches sqrt(abar) so that the last is 0 and the first stays (Lin et al. 2023, algorithm 1).
torch::Tensor WithoutTerminalSignal(const torch::Tensor& alphas_cumprod) {
  const torch::Tensor roots = alphas_cumprod.sqrt(), last = roots[-1], first = roots[0];
  return ((roots - last) * (first / (first - last))).square();
}

}  // namespace

double NoiseLevel::Sigma() const { return noise / std::max(signal, kLeastSignal); }

double NoiseLevel::LogSnr() const { return -std::log(Sigma()); }

NoiseSchedule::NoiseSchedule(const DiffusionConfig& config) : steps_(config.steps) {
  if (config.objective == "flow") return;
  alphas_cumprod_ = (1 - Betas(config)).cumprod(0);
  if (!config.rescale_betas_zero_snr) return;
  if (config.objective == "eps") {
    throw ConfigError(
        "DIFFUSION_ZERO_SNR",
        "diffusion.rescale_betas_zero_snr: the noisiest images are noise alone, where predicting eps teaches nothing: "
        "choose --set diffusion.objective=v");
  }
  alphas_cumprod_ = WithoutTerminalSignal(alphas_cumprod_);
}

double NoiseSchedule::AlphaCumprod(int64_t t) const {
  GENVINCI_CHECK(!is_flow() && t >= 0 && t < steps_, "timestep {} of {}", t, steps_);
  return alphas_cumprod_.const_data_ptr<double>()[t];
}

NoiseLevel NoiseSchedule::Level(double timestep) const {
  if (is_flow()) {
    const double noise = timestep / static_cast<double>(steps_);
    GENVINCI_CHECK(noise >= 0 && noise <= 1, "timestep {} of {}", timestep, steps_);
    return {timestep, 1 - noise, noise};
  }
  const double below = std::floor(timestep), part = timestep - below;
  const auto at = [&](double t) {
    const double alpha = AlphaCumprod(static_cast<int64_t>(t));
    return NoiseLevel{t, std::sqrt(alpha), std::sqrt(1 - alpha)};
  };
  if (part == 0) return at(below);
  const double sigma = (1 - part) * at(below).Sigma() + part * at(below + 1).Sigma();
  const double signal = 1 / std::sqrt(sigma * sigma + 1);
  return {timestep, signal, sigma * signal};
}

NoiseSchedule::Coefficients NoiseSchedule::Of(const torch::Tensor& timesteps_B, const torch::Tensor& like) const {
  const auto shaped = [&](const torch::Tensor& values_B) { return values_B.to(like.options()).view({-1, 1, 1, 1}); };
  if (is_flow()) {
    const torch::Tensor noise_B = timesteps_B.to(torch::kFloat64) / static_cast<double>(steps_);
    return {shaped(1 - noise_B), shaped(noise_B)};
  }
  const torch::Tensor alphas_B = alphas_cumprod_.to(timesteps_B.device()).index_select(0, timesteps_B);
  return {shaped(alphas_B.sqrt()), shaped((1 - alphas_B).sqrt())};
}

torch::Tensor NoiseSchedule::AddNoise(const torch::Tensor& x0_BCHW, const torch::Tensor& noise_BCHW,
                                      const torch::Tensor& timesteps_B) const {
  const Coefficients at = Of(timesteps_B, x0_BCHW);
  return at.signal_B111 * x0_BCHW + at.noise_B111 * noise_BCHW;
}

}  // namespace genvinci
