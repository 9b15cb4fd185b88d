#include "genvinci/models/vision_transformer.h"

#include "genvinci/core/error.h"
#include "genvinci/nn/attention.h"
#include "genvinci/nn/registry.h"

namespace genvinci {
namespace {

constexpr double kVitNormEps = 1e-6;

torch::nn::LayerNorm MakeNorm(int64_t width) {
  return torch::nn::LayerNorm(torch::nn::LayerNormOptions({width}).eps(kVitNormEps));
}

}  // namespace

class VisionLayerImpl : public torch::nn::Module {
 public:
  explicit VisionLayerImpl(const VisionTransformerConfig& config) : heads_(config.heads) {
    const int64_t width = config.hidden;
    norm1_ = register_module("norm1", MakeNorm(width));
    qkv_ = RegisterAt(*this, "attn.qkv", torch::nn::Linear(width, 3 * width));
    out_ = RegisterAt(*this, "attn.proj", torch::nn::Linear(width, width));
    norm2_ = register_module("norm2", MakeNorm(width));
    feed_in_ = RegisterAt(*this, "mlp.fc1", torch::nn::Linear(width, config.feed_forward));
    feed_out_ = RegisterAt(*this, "mlp.fc2", torch::nn::Linear(config.feed_forward, width));
  }

  torch::Tensor forward(const torch::Tensor& x_BLD) {
    const auto qkv = qkv_(norm1_(x_BLD)).chunk(3, 2);
    const torch::Tensor x = x_BLD + out_(Attend(qkv[0], qkv[1], qkv[2], AttentionSettings{heads_, {}, 0}));
    return x + feed_out_(torch::gelu(feed_in_(norm2_(x))));
  }

 private:
  int64_t heads_;
  torch::nn::LayerNorm norm1_{nullptr}, norm2_{nullptr};
  torch::nn::Linear qkv_{nullptr}, out_{nullptr}, feed_in_{nullptr}, feed_out_{nullptr};
};

VisionTransformerImpl::VisionTransformerImpl(const VisionTransformerConfig& config) : config_(config) {
  if (config.img_size % config.patch_size != 0 || config.hidden % config.heads != 0) {
    throw ConfigError("MODEL_SIZES", "vision transformer: patches of {} px must tile {} px, and {} heads divide {}",
                      config.patch_size, config.img_size, config.heads, config.hidden);
  }
  const int64_t side = config.img_size / config.patch_size;
  const auto conv =
      torch::nn::Conv2dOptions(config.channels, config.hidden, config.patch_size).stride(config.patch_size);
  class_token_ = ScopeAt(*this, "trunk").register_parameter("cls_token", torch::zeros({1, 1, config.hidden}));
  positions_ =
      ScopeAt(*this, "trunk").register_parameter("pos_embed", 0.02 * torch::randn({1, side * side + 1, config.hidden}));
  patches_ = RegisterAt(*this, "trunk.patch_embed.proj", torch::nn::Conv2d(conv));
  for (int64_t i = 0; i < config.layers; ++i) {
    layers_.push_back(
        RegisterAt(*this, "trunk.blocks." + std::to_string(i), std::make_shared<VisionLayerImpl>(config)));
  }
  norm_ = RegisterAt(*this, "trunk.norm", MakeNorm(config.hidden));
  if (config.projection > 0) {
    projection_ = RegisterAt(*this, "head.proj",
                             torch::nn::Linear(torch::nn::LinearOptions(config.hidden, config.projection).bias(false)));
  }
}

torch::Tensor VisionTransformerImpl::forward(const torch::Tensor& images_BCHW) {
  GENVINCI_CHECK(images_BCHW.size(2) == config_.img_size && images_BCHW.size(3) == config_.img_size,
                 "images of {} x {} px, the model has {}", images_BCHW.size(3), images_BCHW.size(2), config_.img_size);
  const torch::Tensor patches_BLD = patches_(images_BCHW).flatten(2).transpose(1, 2);
  torch::Tensor x = torch::cat({class_token_.expand({images_BCHW.size(0), -1, -1}), patches_BLD}, 1) + positions_;
  for (const auto& layer : layers_) x = layer->forward(x);
  const torch::Tensor features_BD = norm_(x.select(1, 0));
  return projection_ ? projection_(features_BD) : features_BD;
}

}  // namespace genvinci
