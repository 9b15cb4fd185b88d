#pragma once

#include <torch/torch.h>

#include "genvinci/diffusion/noise_schedule.h"

namespace genvinci {

// What the network predicts: eps (Ho et al. 2020) or v = sqrt(abar) eps - sqrt(1 - abar) x_0 (Salimans & Ho 2022).
class Objective {
 public:
  Objective(const DiffusionConfig& config, NoiseSchedule schedule);

  torch::Tensor Target(const torch::Tensor& x0_BCHW, const torch::Tensor& noise_BCHW,
                       const torch::Tensor& timesteps_B) const;
  // Loss weight of each observation, (B) float32: 1, or with SNR = abar / (1 - abar) and gamma = min_snr_gamma
  // min(SNR, gamma) / SNR for eps and min(SNR, gamma) / (SNR + 1) for v (Hang et al. 2023).
  torch::Tensor Weight(const torch::Tensor& timesteps_B) const;
  // x_0 and eps from the network's prediction at one timestep.
  struct Estimate {
    torch::Tensor x0_BCHW, noise_BCHW;
  };
  Estimate FromPrediction(const torch::Tensor& prediction_BCHW, const torch::Tensor& x_BCHW, int64_t timestep) const;

 private:
  DiffusionConfig config_;
  NoiseSchedule schedule_;
};

}  // namespace genvinci
