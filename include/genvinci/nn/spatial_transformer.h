#pragma once

#include <torch/torch.h>

namespace genvinci {

// Attention of `query_dim` over `context_dim` with projections to_q, to_k, to_v (no bias) and to_out.0.
class CrossAttentionImpl : public torch::nn::Module {
 public:
  CrossAttentionImpl(int64_t query_dim, int64_t context_dim, int64_t heads);
  torch::Tensor forward(const torch::Tensor& x_BLC, const torch::Tensor& context_BLD);

 private:
  int64_t heads_;
  torch::nn::Linear to_q_{nullptr}, to_k_{nullptr}, to_v_{nullptr}, to_out_{nullptr};
};
TORCH_MODULE(CrossAttention);

// Pre-norm self-attention, cross-attention and GEGLU feed-forward (Shazeer 2020), each with a residual.
class TransformerBlockImpl : public torch::nn::Module {
 public:
  TransformerBlockImpl(int64_t dim, int64_t context_dim, int64_t heads);
  torch::Tensor forward(const torch::Tensor& x_BLC, const torch::Tensor& context_BLD);

 private:
  torch::nn::LayerNorm norm1_{nullptr}, norm2_{nullptr}, norm3_{nullptr};
  CrossAttention attn1_{nullptr}, attn2_{nullptr};
  torch::nn::Linear ff_in_{nullptr}, ff_out_{nullptr};
};
TORCH_MODULE(TransformerBlock);

// Stable Diffusion 1.5's: GroupNorm, 1 x 1 convolution, one transformer block over the pixels, 1 x 1 convolution
// (starts at zero), residual.
class SpatialTransformerImpl : public torch::nn::Module {
 public:
  SpatialTransformerImpl(int64_t channels, int64_t context_dim, int64_t heads, int64_t norm_groups = 0);
  torch::Tensor forward(const torch::Tensor& x_BCHW, const torch::Tensor& context_BLD);

 private:
  torch::nn::GroupNorm norm_{nullptr};
  torch::nn::Conv2d proj_in_{nullptr}, proj_out_{nullptr};
  TransformerBlock block_{nullptr};
};
TORCH_MODULE(SpatialTransformer);

}  // namespace genvinci
