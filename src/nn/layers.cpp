#include "genvinci/nn/layers.h"

#include <cmath>

namespace genvinci {
namespace {

constexpr int64_t kMaxGroups = 32;
constexpr double kMaxPeriod = 10000.0;

torch::Tensor PointwiseLast(const torch::nn::Conv2d& conv, const torch::Tensor& x) {
  return torch::linear(x, conv->weight.flatten(1), conv->bias);
}

}  // namespace

int64_t NormGroups(int64_t channels) {
  int64_t groups = kMaxGroups;
  while (groups > 1 && (channels % groups != 0 || channels / groups < 2)) groups /= 2;
  return groups;
}

torch::nn::GroupNorm MakeGroupNorm(int64_t channels, double eps, int64_t groups) {
  if (groups == 0) groups = NormGroups(channels);
  return torch::nn::GroupNorm(torch::nn::GroupNormOptions(groups, channels).eps(eps));
}

torch::nn::Conv2d MakeConv3(int64_t in, int64_t out) {
  return torch::nn::Conv2d(torch::nn::Conv2dOptions(in, out, 3).padding(1));
}

torch::nn::Conv2d MakeConv1(int64_t in, int64_t out) { return torch::nn::Conv2d(torch::nn::Conv2dOptions(in, out, 1)); }

torch::Tensor Pointwise(const torch::nn::Conv2d& conv, const torch::Tensor& x_BCHW) {
  return PointwiseLast(conv, x_BCHW.permute({0, 2, 3, 1})).permute({0, 3, 1, 2});
}

torch::Tensor PointwiseToTokens(const torch::nn::Conv2d& conv, const torch::Tensor& x_BCHW) {
  return PointwiseLast(conv, ToTokens(x_BCHW));
}

torch::Tensor PointwiseFromTokens(const torch::nn::Conv2d& conv, const torch::Tensor& tokens_BLC, int64_t height) {
  return FromTokens(PointwiseLast(conv, tokens_BLC), height);
}

torch::Tensor ToTokens(const torch::Tensor& x_BCHW) { return x_BCHW.permute({0, 2, 3, 1}).flatten(1, 2); }

torch::Tensor FromTokens(const torch::Tensor& tokens_BLC, int64_t height) {
  return tokens_BLC.unflatten(1, {height, tokens_BLC.size(1) / height}).permute({0, 3, 1, 2});
}

void ZeroInit(torch::nn::Conv2d& conv) {
  torch::nn::init::zeros_(conv->weight);
  torch::nn::init::zeros_(conv->bias);
}

torch::Tensor SpaceToDepth(const torch::Tensor& x_BCHW, int64_t s) {
  const torch::Tensor folded = s == 1 ? x_BCHW : torch::pixel_unshuffle(x_BCHW, s);
  return folded.contiguous(at::MemoryFormat::ChannelsLast);
}

torch::Tensor DepthToSpace(const torch::Tensor& x_BCHW, int64_t s) {
  const torch::Tensor unfolded = s == 1 ? x_BCHW : torch::pixel_shuffle(x_BCHW, s);
  return unfolded.contiguous(at::MemoryFormat::ChannelsLast);
}

torch::Tensor TimestepEmbedding(const torch::Tensor& timesteps_B, int64_t dim) {
  const int64_t half = dim / 2;
  const auto options = torch::TensorOptions().dtype(torch::kFloat32).device(timesteps_B.device());
  const torch::Tensor frequencies = torch::exp(torch::arange(half, options) * (-std::log(kMaxPeriod) / half));
  const torch::Tensor angles = timesteps_B.to(torch::kFloat32).unsqueeze(1) * frequencies;
  torch::Tensor embedding = torch::cat({angles.cos(), angles.sin()}, 1);
  return dim % 2 == 0 ? embedding : torch::constant_pad_nd(embedding, {0, 1});
}

}  // namespace genvinci
