#pragma once

#include <torch/torch.h>

#include "genvinci/diffusion/noise_schedule.h"
#include "genvinci/tensor/item_draws.h"

namespace genvinci {

// What the network predicts: eps (Ho et al. 2020); v = signal * eps - noise * x_0 (Salimans & Ho 2022); or, of a
// rectified flow, the velocity eps - x_0 (Liu et al. 2023; Esser et al. 2024).
class Objective {
 public:
  // ConfigError DIFFUSION_OBJECTIVE for another name, DIFFUSION_MIN_SNR for a min_snr_gamma with a flow.
  Objective(const DiffusionConfig& config, NoiseSchedule schedule);

  // Training times, one an item: int64, each of the schedule's equally likely; of a flow floating,
  // logit-normal (Esser et al. 2024, section 3.1, mean 0 and deviation 1). On the CPU.
  torch::Tensor DrawTimesteps(ItemDraws& draws) const;
  // The time that is a share (0 to 1) of the way from clean to noisiest, for evaluation at fixed times: (B) of
  // shares_B.
  torch::Tensor TimestepsAt(const torch::Tensor& shares_B) const;

  torch::Tensor Target(const torch::Tensor& x0_BCHW, const torch::Tensor& noise_BCHW,
                       const torch::Tensor& timesteps_B) const;
  // Loss weight of each observation, (B) float32: 1, or with SNR = abar / (1 - abar) and gamma = min_snr_gamma
  // min(SNR, gamma) / SNR for eps and min(SNR, gamma) / (SNR + 1) for v (Hang et al. 2023).
  torch::Tensor Weight(const torch::Tensor& timesteps_B) const;
  // x_0 and eps from the network's prediction at one level.
  struct Estimate {
    torch::Tensor x0_BCHW, noise_BCHW;
  };
  Estimate FromPrediction(const torch::Tensor& prediction_BCHW, const torch::Tensor& x_BCHW,
                          const NoiseLevel& level) const;
  // The step of DDIM and Euler, which is linear: x_0 and eps of a prediction p for x at `level`, put together at
  // `next`, are of_x * x + of_prediction * p.
  struct LinearStep {
    double of_x = 0, of_prediction = 0;
  };
  LinearStep StepBetween(const NoiseLevel& level, const NoiseLevel& next) const;

 private:
  DiffusionConfig config_;
  NoiseSchedule schedule_;
};

}  // namespace genvinci
