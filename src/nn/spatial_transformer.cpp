#include "genvinci/nn/spatial_transformer.h"

#include "genvinci/nn/attention.h"
#include "genvinci/nn/layers.h"
#include "genvinci/nn/registry.h"

namespace genvinci {
namespace {

constexpr int64_t kFeedForwardRatio = 4;

torch::nn::Linear LinearNoBias(int64_t in, int64_t out) {
  return torch::nn::Linear(torch::nn::LinearOptions(in, out).bias(false));
}

torch::nn::LayerNorm MakeLayerNorm(int64_t dim) { return torch::nn::LayerNorm(torch::nn::LayerNormOptions({dim})); }

}  // namespace

CrossAttentionImpl::CrossAttentionImpl(int64_t query_dim, int64_t context_dim, int64_t heads) : heads_(heads) {
  to_q_ = register_module("to_q", LinearNoBias(query_dim, query_dim));
  to_k_ = register_module("to_k", LinearNoBias(context_dim, query_dim));
  to_v_ = register_module("to_v", LinearNoBias(context_dim, query_dim));
  to_out_ = RegisterAt(*this, "to_out.0", torch::nn::Linear(query_dim, query_dim));
}

torch::Tensor CrossAttentionImpl::forward(const torch::Tensor& x_BLC, const torch::Tensor& context_BLD) {
  AttentionSettings settings;
  settings.heads = heads_;
  return to_out_(Attend(to_q_(x_BLC), to_k_(context_BLD), to_v_(context_BLD), settings));
}

TransformerBlockImpl::TransformerBlockImpl(int64_t dim, int64_t context_dim, int64_t heads) {
  const int64_t inner = kFeedForwardRatio * dim;
  attn1_ = register_module("attn1", CrossAttention(dim, dim, heads));
  ff_in_ = RegisterAt(*this, "ff.net.0.proj", torch::nn::Linear(dim, 2 * inner));
  ff_out_ = RegisterAt(*this, "ff.net.2", torch::nn::Linear(inner, dim));
  attn2_ = register_module("attn2", CrossAttention(dim, context_dim, heads));
  norm1_ = register_module("norm1", MakeLayerNorm(dim));
  norm2_ = register_module("norm2", MakeLayerNorm(dim));
  norm3_ = register_module("norm3", MakeLayerNorm(dim));
}

torch::Tensor TransformerBlockImpl::forward(const torch::Tensor& x_BLC, const torch::Tensor& context_BLD) {
  const torch::Tensor normed = norm1_(x_BLC);
  torch::Tensor x = attn1_(normed, normed) + x_BLC;
  x = attn2_(norm2_(x), context_BLD) + x;
  const auto value_and_gate = ff_in_(norm3_(x)).chunk(2, -1);
  return ff_out_(value_and_gate[0] * torch::gelu(value_and_gate[1])) + x;
}

SpatialTransformerImpl::SpatialTransformerImpl(int64_t channels, int64_t context_dim, int64_t heads,
                                               int64_t norm_groups) {
  norm_ = register_module("norm", MakeGroupNorm(channels, kAttentionEps, norm_groups));
  proj_in_ = register_module("proj_in", MakeConv1(channels, channels));
  block_ = RegisterAt(*this, "transformer_blocks.0", TransformerBlock(channels, context_dim, heads));
  proj_out_ = register_module("proj_out", MakeConv1(channels, channels));
  ZeroInit(proj_out_);
}

torch::Tensor SpatialTransformerImpl::forward(const torch::Tensor& x_BCHW, const torch::Tensor& context_BLD) {
  const torch::Tensor tokens_BLC = block_(PointwiseToTokens(proj_in_, norm_(x_BCHW)), context_BLD);
  return PointwiseFromTokens(proj_out_, tokens_BLC, x_BCHW.size(2)) + x_BCHW;
}

}  // namespace genvinci
