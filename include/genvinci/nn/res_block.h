#pragma once

#include <torch/torch.h>

namespace genvinci {

// What the layers of a residual block are called.
struct ResBlockNames {
  const char *norm1, *conv1, *time, *norm2, *conv2, *skip;
};
inline constexpr ResBlockNames kUNetBlockNames = {"in_layers.0",  "in_layers.2",  "emb_layers.1",
                                                  "out_layers.0", "out_layers.3", "skip_connection"};
inline constexpr ResBlockNames kAutoencoderBlockNames = {"norm1", "conv1", "", "norm2", "conv2", "nin_shortcut"};

struct ResBlockOptions {
  int64_t in = 0, out = 0;
  int64_t time_dim = 0;           // 0: no time embedding
  bool time_scale_shift = false;  // the time embedding scales and shifts what norm2 gives, in place of being added
  double dropout = 0;
  double eps = 1e-5;
  int64_t norm_groups = 0;  // 0: NormGroups
  ResBlockNames names = kUNetBlockNames;
};

// x + conv(drop-out(SiLU(norm(conv(SiLU(norm(x))) + linear(time))))), with a 1 x 1 convolution on x where the width
// changes: Stable Diffusion's block. With time_scale_shift, norm(...) * (1 + scale) + shift with both from
// linear(time): the adaptive group normalisation of Dhariwal and Nichol 2021, section 4.1 (diffusers' "scale_shift"). A
// normalisation over few channels takes away part of what is added to all positions before it; this it leaves alone.
class ResBlockImpl : public torch::nn::Module {
 public:
  explicit ResBlockImpl(const ResBlockOptions& options);

  // active_time_BT: SiLU of the time embedding (undefined without one). Returns (B, out, H, W).
  torch::Tensor forward(const torch::Tensor& x_BCHW, const torch::Tensor& active_time_BT = {});

  // The second convolution to zero: the block starts as its skip path.
  void ZeroLastConv();

 private:
  double dropout_;
  bool time_scale_shift_;
  torch::nn::GroupNorm norm1_{nullptr}, norm2_{nullptr};
  torch::nn::Conv2d conv1_{nullptr}, conv2_{nullptr}, skip_{nullptr};
  torch::nn::Linear time_{nullptr};
};
TORCH_MODULE(ResBlock);

}  // namespace genvinci
