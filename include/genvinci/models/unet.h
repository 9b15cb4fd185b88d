#pragma once

#include <torch/torch.h>

#include <memory>
#include <vector>

#include "genvinci/models/denoiser.h"
#include "genvinci/nn/checkpointed_layers.h"

namespace genvinci {

class UNetStageImpl;
struct StageInput;

// Stable Diffusion 1.5's UNet with configurable widths and, before it, an optional space-to-depth. Parameters are
// called as in CompVis's checkpoints (time_embed.0.weight, input_blocks.1.0.in_layers.0.weight, ..., out.2.bias).
class UNetImpl : public DenoiserImpl, public CheckpointedLayers {
 public:
  explicit UNetImpl(const UNetConfig& config);
  static DenoiserShape ShapeOf(const UNetConfig& config);

  torch::Tensor forward(const torch::Tensor& latents_BCHW, const torch::Tensor& timesteps_B,
                        const torch::Tensor& context_BLD, const torch::Tensor& time_BT = {}) override;

  const UNetConfig& config() const { return config_; }

 private:
  // Add the stages of the way down and up; `skip_channels` are the widths that the way down leaves behind.
  void AddInput(std::vector<int64_t>& skip_channels);
  int64_t AddOutput(std::vector<int64_t> skip_channels, int64_t channels);
  bool HasAttention(size_t level) const;
  torch::Tensor RunStage(const std::shared_ptr<UNetStageImpl>& stage, const torch::Tensor& x_BCHW,
                         const StageInput& input) const;

  UNetConfig config_;
  torch::nn::Linear time_in_{nullptr}, time_out_{nullptr};
  std::vector<std::shared_ptr<UNetStageImpl>> input_stages_, output_stages_;
  std::shared_ptr<UNetStageImpl> middle_;
  torch::nn::GroupNorm out_norm_{nullptr};
  torch::nn::Conv2d out_conv_{nullptr};
};
TORCH_MODULE(UNet);

}  // namespace genvinci
