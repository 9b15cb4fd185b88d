#include "genvinci/diffusion/guidance.h"

namespace genvinci {

torch::Tensor Guided(const torch::Tensor& null_BCHW, const torch::Tensor& conditional_BCHW, double guidance,
                     double rescale) {
  const torch::Tensor guided_BCHW = null_BCHW + guidance * (conditional_BCHW - null_BCHW);
  if (rescale == 0) return guided_BCHW;
  const auto deviation = [](const torch::Tensor& prediction_BCHW) {
    return prediction_BCHW.std({1, 2, 3}, /*unbiased=*/true, /*keepdim=*/true);
  };
  const torch::Tensor factor_B111 = deviation(conditional_BCHW) / deviation(guided_BCHW);
  return guided_BCHW * (rescale * factor_B111 + (1 - rescale));
}

}  // namespace genvinci
