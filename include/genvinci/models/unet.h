#pragma once

#include <torch/torch.h>

#include "genvinci/models/model_options.h"

namespace genvinci {

// Stable Diffusion 1.5's UNet with configurable widths and, before it, an optional space-to-depth.
class UNetImpl : public torch::nn::Module {
 public:
  explicit UNetImpl(const UNetConfig& config);

  // latents_BCHW scaled to unit variance; timesteps_B int64 in [0, 1000); context_BLD; time_BT is added to the time
  // embedding (may be undefined). Returns the prediction, of the latents' shape.
  torch::Tensor forward(const torch::Tensor& latents_BCHW, const torch::Tensor& timesteps_B,
                        const torch::Tensor& context_BLD, const torch::Tensor& time_BT = {});

  const UNetConfig& config() const { return config_; }

 private:
  UNetConfig config_;
};
TORCH_MODULE(UNet);

}  // namespace genvinci
