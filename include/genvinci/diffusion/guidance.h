#pragma once

#include <torch/torch.h>

namespace genvinci {

// Classifier-free guidance (Ho & Salimans 2022, equation 6 with w = 1 + their w): u + w (c - u), (B, C, H, W).
// With rescale phi above 0 (Lin et al. 2023, equations 15 and 16; diffusers' guidance_rescale), a share phi of the
// result has each item's standard deviation over C, H, W brought back to that of c: guidance spreads a prediction, and
// with it the colours of the images.
torch::Tensor Guided(const torch::Tensor& null_BCHW, const torch::Tensor& conditional_BCHW, double guidance,
                     double rescale);

}  // namespace genvinci
