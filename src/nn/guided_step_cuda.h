#pragma once

#include <torch/torch.h>

namespace genvinci {

// genvinci::guided_step on a CUDA device, on its current stream. InternalError where the three are not laid out alike
// and without gaps.
torch::Tensor GuidedStepCuda(const torch::Tensor& x, const torch::Tensor& null, const torch::Tensor& conditional,
                             double guidance, double of_x, double of_prediction);

}  // namespace genvinci
