#pragma once

#include <torch/torch.h>

namespace genvinci {

// Classifier-free guidance (Ho & Salimans 2022, equation 6 with w = 1 + their w): u + w (c - u), (B, C, H, W).
// With rescale phi above 0 (Lin et al. 2023, equations 15 and 16; diffusers' guidance_rescale), a share phi of the
// result has each item's standard deviation over C, H, W brought back to that of c: guidance spreads a prediction, and
// with it the colours of the images.
torch::Tensor Guided(const torch::Tensor& null_BCHW, const torch::Tensor& conditional_BCHW, double guidance,
                     double rescale);

// Guidance by two conditions, each with a scale of its own (Brooks et al. 2023, equation 3, the profile first):
// u + w1 (c1 - u) + w2 (c12 - c1), where c1 knows the first alone and c12 both; rescaled as above, by c12. Equal scales
// are guidance by both together.
torch::Tensor DualGuided(const torch::Tensor& null_BCHW, const torch::Tensor& first_BCHW,
                         const torch::Tensor& both_BCHW, double first_guidance, double second_guidance, double rescale);

}  // namespace genvinci
