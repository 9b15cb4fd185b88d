#pragma once

#include <torch/torch.h>

namespace genvinci {

// Images in [-1, 1] on the scale of 0 to 255, rounded; what lies outside becomes 0 or 255.
inline torch::Tensor ToByteScale(const torch::Tensor& images) {
  return images.add(1).mul_(127.5).round_().clamp_(0, 255);
}

// The other way round, as float32.
inline torch::Tensor FromByteScale(const torch::Tensor& bytes) { return bytes.to(torch::kFloat32).div(127.5).sub_(1); }

}  // namespace genvinci
