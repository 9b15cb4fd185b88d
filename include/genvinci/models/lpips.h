#pragma once

#include <torch/torch.h>

#include <vector>

namespace genvinci {

// LPIPS with AlexNet (Zhang et al. 2018; version 0.1 of the package `lpips`): squared differences of unit-length
// features behind each of five ReLUs, weighted by channel and averaged over the image. Parameters are called as in the
// package's state (net.slice1.0.weight, ..., lin0.model.1.weight).
class LpipsImpl : public torch::nn::Module {
 public:
  LpipsImpl();

  // Images (B, 3, H, W) in [-1, 1], sides of at least 63 px. Distances (B, 1, 1, 1).
  torch::Tensor forward(const torch::Tensor& x_BCHW, const torch::Tensor& y_BCHW);

 private:
  std::vector<torch::Tensor> Features(const torch::Tensor& images_BCHW);

  std::vector<torch::nn::Conv2d> convs_, weights_;
};
TORCH_MODULE(Lpips);

}  // namespace genvinci
