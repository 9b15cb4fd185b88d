#pragma once

#include <torch/torch.h>

#include <memory>

#include "genvinci/models/model_options.h"

namespace genvinci {

// The network that predicts what a noisy latent holds: the only thing that diffusion knows of it. Its parameters are
// called as in the Python models whose weights it reads.
class DenoiserImpl : public torch::nn::Module {
 public:
  explicit DenoiserImpl(const DenoiserShape& shape) : shape_(shape) {}

  // latents_BCHW scaled to unit variance, sides multiples of shape().latent_multiple; timesteps_B in [0, 1000], whole
  // or not; context_BLD (B, tokens, shape().context_dim); time_BT (B, shape().time_dim) joins the time embedding (may
  // be undefined). Returns the prediction, of the latents' shape.
  virtual torch::Tensor forward(const torch::Tensor& latents_BCHW, const torch::Tensor& timesteps_B,
                                const torch::Tensor& context_BLD, const torch::Tensor& time_BT = {}) = 0;

  const DenoiserShape& shape() const { return shape_; }

 private:
  DenoiserShape shape_;
};

// From kDenoisers (model_options.h). ConfigError DENOISER for an unknown name.
const DenoiserEntry& DenoiserNamed(const std::string& name);
std::shared_ptr<DenoiserImpl> MakeDenoiser(const ModelOptions& options);
DenoiserShape ShapeOf(const ModelOptions& options);

}  // namespace genvinci
