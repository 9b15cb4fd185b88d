#include "genvinci/nn/resample.h"

#include "genvinci/nn/layers.h"

namespace genvinci {

DownsampleImpl::DownsampleImpl(int64_t channels, DownsamplePadding padding) : padding_(padding) {
  const bool even = padding == DownsamplePadding::kEven;
  auto options = torch::nn::Conv2dOptions(channels, channels, 3).stride(2).padding(even ? 1 : 0);
  conv_ = register_module(even ? "op" : "conv", torch::nn::Conv2d(options));
}

torch::Tensor DownsampleImpl::forward(const torch::Tensor& x_BCHW) {
  if (padding_ == DownsamplePadding::kEven) return conv_(x_BCHW);
  return conv_(torch::constant_pad_nd(x_BCHW, {0, 1, 0, 1}));
}

UpsampleImpl::UpsampleImpl(int64_t channels) { conv_ = register_module("conv", MakeConv3(channels, channels)); }

torch::Tensor UpsampleImpl::forward(const torch::Tensor& x_BCHW) {
  return To(x_BCHW, 2 * x_BCHW.size(2), 2 * x_BCHW.size(3));
}

torch::Tensor UpsampleImpl::To(const torch::Tensor& x_BCHW, int64_t height, int64_t width) {
  return conv_(at::upsample_nearest2d(x_BCHW, {height, width}));
}

}  // namespace genvinci
