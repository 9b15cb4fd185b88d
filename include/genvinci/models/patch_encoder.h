#pragma once

#include <torch/torch.h>

#include <vector>

#include "genvinci/models/model_options.h"

namespace genvinci {

// A small convolutional network from patches to features. Stages of two 3 x 3 convolutions with batch norm and ReLU, of
// which the first halves the resolution and widens; the last convolution gives `feature_dim` channels, whose means over
// the image are the features.
class PatchEncoderImpl : public torch::nn::Module {
 public:
  explicit PatchEncoderImpl(const PatchEncoderConfig& config);

  // images_BCHW in [-1, 1], sides of at least 2^stages px. Returns (B, feature_dim), each at least 0.
  torch::Tensor forward(const torch::Tensor& images_BCHW);

  const PatchEncoderConfig& config() const { return config_; }

 private:
  void AddLayer(int64_t in, int64_t out, int64_t stride);

  PatchEncoderConfig config_;
  std::vector<torch::nn::Conv2d> convs_;
  std::vector<torch::nn::BatchNorm2d> norms_;
};
TORCH_MODULE(PatchEncoder);

}  // namespace genvinci
