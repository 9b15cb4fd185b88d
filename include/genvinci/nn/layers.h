#pragma once

#include <torch/torch.h>

namespace genvinci {

inline constexpr double kResBlockEps = 1e-5;   // GroupNorm in Stable Diffusion's UNet blocks
inline constexpr double kAttentionEps = 1e-6;  // and before its transformers, and everywhere in its autoencoder

// The largest power of two up to 32 that divides `channels` and leaves two of them a group: 32 for Stable Diffusion's
// widths. A group of one channel would wipe out whatever is constant over an image, such as the time embedding.
int64_t NormGroups(int64_t channels);
// groups 0: NormGroups.
torch::nn::GroupNorm MakeGroupNorm(int64_t channels, double eps, int64_t groups = 0);

// 3 x 3 with padding 1, or 1 x 1 without.
torch::nn::Conv2d MakeConv3(int64_t in, int64_t out);
torch::nn::Conv2d MakeConv1(int64_t in, int64_t out);

// A 1 x 1 convolution as a matrix product over (B, H, W): on channels-last input no value is moved.
torch::Tensor Pointwise(const torch::nn::Conv2d& conv, const torch::Tensor& x_BCHW);
// The same with tokens on the other side: (B, C, H, W) -> (B, H * W, C') and (B, H * W, C) -> (B, C', H, W).
torch::Tensor PointwiseToTokens(const torch::nn::Conv2d& conv, const torch::Tensor& x_BCHW);
torch::Tensor PointwiseFromTokens(const torch::nn::Conv2d& conv, const torch::Tensor& tokens_BLC, int64_t height);

// (B, C, H, W) <-> (B, H * W, C); views when the image is channels-last.
torch::Tensor ToTokens(const torch::Tensor& x_BCHW);
torch::Tensor FromTokens(const torch::Tensor& tokens_BLC, int64_t height);

// Weight and bias to zero: a residual branch that starts as the identity.
void ZeroInit(torch::nn::Conv2d& conv);

// (B, C, H, W) <-> (B, C * s * s, H / s, W / s), channels-last out; s = 1 changes nothing but the memory format.
torch::Tensor SpaceToDepth(const torch::Tensor& x_BCHW, int64_t s);
torch::Tensor DepthToSpace(const torch::Tensor& x_BCHW, int64_t s);

// Sinusoids of the timesteps, (B, dim): cos then sin, periods from 2 pi to 2 pi * 10,000 (Ho et al. 2020; the order is
// Stable Diffusion's). An odd `dim` ends in a zero.
torch::Tensor TimestepEmbedding(const torch::Tensor& timesteps_B, int64_t dim);

}  // namespace genvinci
