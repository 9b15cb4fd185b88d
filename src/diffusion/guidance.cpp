#include "genvinci/diffusion/guidance.h"

namespace genvinci {

namespace {

torch::Tensor Rescaled(const torch::Tensor& guided_BCHW, const torch::Tensor& conditional_BCHW, double rescale) {
  if (rescale == 0) return guided_BCHW;
  const auto deviation = [](const torch::Tensor& prediction_BCHW) {
    return prediction_BCHW.std({1, 2, 3}, /*unbiased=*/true, /*keepdim=*/true);
  };
  const torch::Tensor factor_B111 = deviation(conditional_BCHW) / deviation(guided_BCHW);
  return guided_BCHW * (rescale * factor_B111 + (1 - rescale));
}

}  // namespace

torch::Tensor Guided(const torch::Tensor& null_BCHW, const torch::Tensor& conditional_BCHW, double guidance,
                     double rescale) {
  return Rescaled(null_BCHW + guidance * (conditional_BCHW - null_BCHW), conditional_BCHW, rescale);
}

torch::Tensor DualGuided(const torch::Tensor& null_BCHW, const torch::Tensor& first_BCHW,
                         const torch::Tensor& both_BCHW, double first_guidance, double second_guidance,
                         double rescale) {
  const torch::Tensor guided_BCHW =
      null_BCHW + first_guidance * (first_BCHW - null_BCHW) + second_guidance * (both_BCHW - first_BCHW);
  return Rescaled(guided_BCHW, both_BCHW, rescale);
}

}  // namespace genvinci
