#pragma once

#include <torch/torch.h>

namespace genvinci {

struct GuidedStepWeights {
  double guidance = 1, of_x = 0, of_prediction = 1;
};

// Classifier-free guidance and a sampler's linear step in one pass over the memory:
//   of_x * x + of_prediction * (null + guidance * (conditional - null)).
// The operator genvinci::guided_step, with kernels for CPU and CUDA. All three are of one shape and on one device
// (InternalError otherwise), of any layout; the result has x's type (float64, float32, float16, bfloat16, the last two
// worked out in float32) and the layout of `conditional`. No gradient flows through it.
torch::Tensor GuidedStep(const torch::Tensor& x_BCHW, const torch::Tensor& null_BCHW,
                         const torch::Tensor& conditional_BCHW, const GuidedStepWeights& weights);

}  // namespace genvinci
