#pragma once

#include <torch/torch.h>

#include <functional>

#include "genvinci/diffusion/sampler.h"

namespace genvinci {

// A network under all conditions that guidance compares: inputs x (C * B, ...) and timesteps (C * B), C conditions of B
// images, those of the first condition first; predictions of the same shape.
struct ConditionedNetwork {
  std::function<torch::Tensor(const torch::Tensor& x, const torch::Tensor& timesteps)> run;
  // 1: no guidance; 2: the null condition and the whole one; 3: null, the profile alone, profile and extra condition.
  int64_t conditions = 1;
  bool capture = false;  // on CUDA, as one graph from the second call on
};

// What a sampler asks: all predictions in one batch, put together by classifier-free guidance (guidance.h) as `options`
// say. The objective must outlive the result.
Denoise GuidedDenoiser(const ConditionedNetwork& network, const Objective& objective, const SamplerOptions& options);

}  // namespace genvinci
