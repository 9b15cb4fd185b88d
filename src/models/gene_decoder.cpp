#include "genvinci/models/gene_decoder.h"

#include "genvinci/core/error.h"
#include "genvinci/nn/layers.h"

namespace genvinci {
namespace {

constexpr int64_t kCoarse = 8;  // pixels to one place of the first layer, a side
constexpr int64_t kFold = 4;    // and of the last one

}  // namespace

GeneDecoderImpl::GeneDecoderImpl(const GeneDecoderConfig& config) : config_(config) {
  GENVINCI_CHECK(config.img_size % kCoarse == 0, "{} px is no multiple of {}", config.img_size, kCoarse);
  const int64_t side = config.img_size / kCoarse, width = config.width;
  in_ = register_module("in", torch::nn::Linear(config.inputs, 2 * width));
  spread_ = register_module("spread", torch::nn::Linear(2 * width, width * side * side));
  low_ = register_module("low", MakeConv3(width, width));
  high_ = register_module("high", MakeConv3(width, width));
  out_ = register_module("out", MakeConv3(width, config.channels * kFold * kFold));
  ZeroInit(out_);
}

torch::Tensor GeneDecoderImpl::forward(const torch::Tensor& inputs_BD) {
  const int64_t side = config_.img_size / kCoarse;
  const torch::Tensor spread = torch::silu(spread_(torch::silu(in_(inputs_BD))));
  const torch::Tensor low = torch::silu(low_(spread.view({-1, config_.width, side, side})));
  const torch::Tensor high = torch::silu(high_(torch::upsample_nearest2d(low, {2 * side, 2 * side})));
  return DepthToSpace(out_(high), kFold);
}

}  // namespace genvinci
