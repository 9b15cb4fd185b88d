#pragma once

#include <torch/torch.h>

namespace genvinci {

struct GeneDecoderConfig {
  int64_t inputs = 50;
  int64_t channels = 3;
  int64_t img_size = 64;  // a multiple of 8
  int64_t width = 64;
};

// A plain convolutional network from a vector of expression to pixels, without noise: a perceptron to an eighth of the
// resolution, a convolution, twice the resolution, two convolutions, and four by four pixels out of each place. Its
// last layer starts at zero. The baseline that draws the mean of what the genes allow.
class GeneDecoderImpl : public torch::nn::Module {
 public:
  explicit GeneDecoderImpl(const GeneDecoderConfig& config);

  // inputs_BD of about unit variance. Returns (B, channels, img_size, img_size), not clamped.
  torch::Tensor forward(const torch::Tensor& inputs_BD);

 private:
  GeneDecoderConfig config_;
  torch::nn::Linear in_{nullptr}, spread_{nullptr};
  torch::nn::Conv2d low_{nullptr}, high_{nullptr}, out_{nullptr};
};
TORCH_MODULE(GeneDecoder);

}  // namespace genvinci
