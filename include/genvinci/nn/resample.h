#pragma once

#include <torch/torch.h>

namespace genvinci {

enum class DownsamplePadding {
  kEven,   // one on every side, as Stable Diffusion's UNet (its convolution is called `op`)
  kAfter,  // one right and below, as its autoencoder (`conv`)
};

// Halves the sides by a 3 x 3 convolution of stride 2.
class DownsampleImpl : public torch::nn::Module {
 public:
  DownsampleImpl(int64_t channels, DownsamplePadding padding);
  torch::Tensor forward(const torch::Tensor& x_BCHW);

 private:
  DownsamplePadding padding_;
  torch::nn::Conv2d conv_{nullptr};
};
TORCH_MODULE(Downsample);

// Doubles the sides: nearest neighbour, then a 3 x 3 convolution.
class UpsampleImpl : public torch::nn::Module {
 public:
  explicit UpsampleImpl(int64_t channels);
  torch::Tensor forward(const torch::Tensor& x_BCHW);
  // To given sides, which are twice x's or one less: where halving rounded up.
  torch::Tensor To(const torch::Tensor& x_BCHW, int64_t height, int64_t width);

 private:
  torch::nn::Conv2d conv_{nullptr};
};
TORCH_MODULE(Upsample);

}  // namespace genvinci
