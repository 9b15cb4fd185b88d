#include "genvinci/models/patch_encoder.h"

#include <algorithm>

#include "genvinci/nn/registry.h"

namespace genvinci {
namespace {

constexpr int64_t kWidest = 4;  // times base_channels

}  // namespace

PatchEncoderImpl::PatchEncoderImpl(const PatchEncoderConfig& config) : config_(config) {
  int64_t in = config.channels;
  for (int64_t stage = 0; stage < config.stages; ++stage) {
    const int64_t width = config.base_channels * std::min(kWidest, stage + 1 + stage / 2);
    AddLayer(in, width, /*stride=*/2);
    // The first stage is the dearest, and sees edges only.
    if (stage > 0) AddLayer(width, stage + 1 == config.stages ? config.feature_dim : width, /*stride=*/1);
    in = width;
  }
}

void PatchEncoderImpl::AddLayer(int64_t in, int64_t out, int64_t stride) {
  const std::string name = "layers." + std::to_string(convs_.size());
  const auto options = torch::nn::Conv2dOptions(in, out, 3).stride(stride).padding(1).bias(false);
  convs_.push_back(RegisterAt(*this, name + ".conv", torch::nn::Conv2d(options)));
  norms_.push_back(RegisterAt(*this, name + ".norm", torch::nn::BatchNorm2d(out)));
}

torch::Tensor PatchEncoderImpl::forward(const torch::Tensor& images_BCHW) {
  torch::Tensor x_BCHW = images_BCHW;
  for (size_t i = 0; i < convs_.size(); ++i) x_BCHW = torch::relu(norms_[i](convs_[i](x_BCHW)));
  return x_BCHW.mean({2, 3});
}

}  // namespace genvinci
