#pragma once

#include <torch/torch.h>

#include <memory>

#include "genvinci/models/model_options.h"

namespace genvinci {

// q(z | x): a diagonal normal. log-variance is clamped to [-30, 20].
struct DiagonalGaussian {
  torch::Tensor mean_BCHW, log_variance_BCHW;

  // mean + std * noise, noise of the mean's shape.
  torch::Tensor Sample(const torch::Tensor& noise_BCHW) const;
  // KL to the standard normal, summed over C, H, W: (B).
  torch::Tensor Kl() const;
};

class AutoencoderEncoderImpl;
class AutoencoderDecoderImpl;

// Stable Diffusion's KL autoencoder with configurable widths and, before it, an optional space-to-depth. Parameters are
// called as in CompVis's checkpoints (encoder.down.0.block.0.norm1.weight, ..., post_quant_conv.bias).
class AutoencoderImpl : public torch::nn::Module {
 public:
  explicit AutoencoderImpl(const AutoencoderConfig& config);

  DiagonalGaussian Encode(const torch::Tensor& images_BCHW);  // images in [-1, 1]; sides divisible by Factor()
  torch::Tensor Moments(const torch::Tensor& images_BCHW);    // mean and log-variance as they come, (B, 2 z, h, w)
  torch::Tensor Decode(const torch::Tensor& latents_BCHW);    // unscaled latents -> images (not clamped)

  const AutoencoderConfig& config() const { return config_; }

 private:
  AutoencoderConfig config_;
  std::shared_ptr<AutoencoderEncoderImpl> encoder_;
  std::shared_ptr<AutoencoderDecoderImpl> decoder_;
  torch::nn::Conv2d quant_conv_{nullptr}, post_quant_conv_{nullptr};
};
TORCH_MODULE(Autoencoder);

}  // namespace genvinci
