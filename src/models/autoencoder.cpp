#include "genvinci/models/autoencoder.h"

#include <functional>

#include "genvinci/core/error.h"
#include "genvinci/nn/attention.h"
#include "genvinci/nn/checkpointed_layers.h"
#include "genvinci/nn/layers.h"
#include "genvinci/nn/registry.h"
#include "genvinci/nn/res_block.h"
#include "genvinci/nn/resample.h"

namespace genvinci {
namespace {

constexpr double kLowestLogVariance = -30, kHighestLogVariance = 20;

ResBlock MakeBlock(int64_t in, int64_t out, int64_t norm_groups) {
  ResBlockOptions options;
  options.in = in;
  options.out = out;
  options.eps = kAttentionEps;
  options.norm_groups = norm_groups;
  options.names = kAutoencoderBlockNames;
  return ResBlock(options);
}

int64_t Folded(const AutoencoderConfig& config) {
  return config.channels * config.space_to_depth * config.space_to_depth;
}

std::string Level(const char* way, size_t level) { return std::string(way) + "." + std::to_string(level); }

}  // namespace

// Self-attention of one head over the pixels, with a residual.
class PixelAttentionImpl : public torch::nn::Module {
 public:
  PixelAttentionImpl(int64_t channels, int64_t norm_groups) {
    norm_ = register_module("norm", MakeGroupNorm(channels, kAttentionEps, norm_groups));
    q_ = register_module("q", MakeConv1(channels, channels));
    k_ = register_module("k", MakeConv1(channels, channels));
    v_ = register_module("v", MakeConv1(channels, channels));
    proj_out_ = register_module("proj_out", MakeConv1(channels, channels));
  }

  torch::Tensor forward(const torch::Tensor& x_BCHW) {
    const torch::Tensor normed = norm_(x_BCHW);
    const torch::Tensor out_BLC = Attend(PointwiseToTokens(q_, normed), PointwiseToTokens(k_, normed),
                                         PointwiseToTokens(v_, normed), AttentionSettings());
    return x_BCHW + PointwiseFromTokens(proj_out_, out_BLC, x_BCHW.size(2));
  }

 private:
  torch::nn::GroupNorm norm_{nullptr};
  torch::nn::Conv2d q_{nullptr}, k_{nullptr}, v_{nullptr}, proj_out_{nullptr};
};
TORCH_MODULE(PixelAttention);

// Block, attention, block at the lowest resolution.
class AutoencoderMiddleImpl : public torch::nn::Module {
 public:
  AutoencoderMiddleImpl(int64_t channels, const AutoencoderConfig& config) {
    block_1_ = register_module("block_1", MakeBlock(channels, channels, config.norm_groups));
    if (config.mid_attention) attention_ = register_module("attn_1", PixelAttention(channels, config.norm_groups));
    block_2_ = register_module("block_2", MakeBlock(channels, channels, config.norm_groups));
  }

  torch::Tensor forward(const torch::Tensor& x_BCHW) {
    const torch::Tensor x = block_1_(x_BCHW);
    return block_2_(attention_ ? attention_(x) : x);
  }

 private:
  ResBlock block_1_{nullptr}, block_2_{nullptr};
  PixelAttention attention_{nullptr};
};
TORCH_MODULE(AutoencoderMiddle);

// Layers of several kinds that run in turn; each is registered under its own name by whoever adds it.
class AutoencoderLayers : public torch::nn::Module, public CheckpointedLayers {
 protected:
  template <typename Layer>
  void Add(Layer layer) {
    layers_.push_back({layer.ptr(), [layer](const auto& inputs) mutable { return layer(inputs[0]); }});
  }
  torch::Tensor RunLayers(torch::Tensor x_BCHW) const {
    for (const auto& [layer, run] : layers_) x_BCHW = RunLayer(*layer, {x_BCHW}, run);
    return x_BCHW;
  }

 private:
  std::vector<std::pair<std::shared_ptr<torch::nn::Module>, LayerFunction>> layers_;
};

// (B, channels * s * s, H / s, W / s) -> mean and log-variance (B, 2 * latent, h, w).
class AutoencoderEncoderImpl : public AutoencoderLayers {
 public:
  explicit AutoencoderEncoderImpl(const AutoencoderConfig& config) {
    int64_t channels = config.base_channels;
    conv_in_ = register_module("conv_in", MakeConv3(Folded(config), channels));
    for (size_t level = 0; level < config.channel_mult.size(); ++level) {
      const int64_t out = config.base_channels * config.channel_mult[level];
      for (int64_t i = 0; i < config.res_blocks; ++i) {
        Add(RegisterAt(*this, Level("down", level) + ".block." + std::to_string(i),
                       MakeBlock(channels, out, config.norm_groups)));
        channels = out;
      }
      if (level + 1 < config.channel_mult.size()) {
        Add(RegisterAt(*this, Level("down", level) + ".downsample", Downsample(out, DownsamplePadding::kAfter)));
      }
    }
    middle_ = register_module("mid", AutoencoderMiddle(channels, config));
    norm_out_ = register_module("norm_out", MakeGroupNorm(channels, kAttentionEps, config.norm_groups));
    conv_out_ = register_module("conv_out", MakeConv3(channels, 2 * config.latent_channels));
  }

  torch::Tensor forward(const torch::Tensor& x_BCHW) {
    return conv_out_(torch::silu(norm_out_(middle_(RunLayers(conv_in_(x_BCHW))))));
  }

 private:
  torch::nn::Conv2d conv_in_{nullptr}, conv_out_{nullptr};
  AutoencoderMiddle middle_{nullptr};
  torch::nn::GroupNorm norm_out_{nullptr};
};

// (B, latent, h, w) -> (B, channels * s * s, H / s, W / s). Levels are numbered from the finest, and run backwards.
class AutoencoderDecoderImpl : public AutoencoderLayers {
 public:
  explicit AutoencoderDecoderImpl(const AutoencoderConfig& config) {
    int64_t channels = config.base_channels * config.channel_mult.back();
    conv_in_ = register_module("conv_in", MakeConv3(config.latent_channels, channels));
    middle_ = register_module("mid", AutoencoderMiddle(channels, config));
    for (size_t level = config.channel_mult.size(); level-- > 0;) {
      const int64_t out = config.base_channels * config.channel_mult[level];
      for (int64_t i = 0; i <= config.res_blocks; ++i) {
        Add(RegisterAt(*this, Level("up", level) + ".block." + std::to_string(i),
                       MakeBlock(channels, out, config.norm_groups)));
        channels = out;
      }
      if (level > 0) Add(RegisterAt(*this, Level("up", level) + ".upsample", Upsample(out)));
    }
    norm_out_ = register_module("norm_out", MakeGroupNorm(channels, kAttentionEps, config.norm_groups));
    conv_out_ = register_module("conv_out", MakeConv3(channels, Folded(config)));
  }

  torch::Tensor forward(const torch::Tensor& z_BCHW) {
    return conv_out_(torch::silu(norm_out_(RunLayers(middle_(conv_in_(z_BCHW))))));
  }

 private:
  torch::nn::Conv2d conv_in_{nullptr}, conv_out_{nullptr};
  AutoencoderMiddle middle_{nullptr};
  torch::nn::GroupNorm norm_out_{nullptr};
};

torch::Tensor DiagonalGaussian::Sample(const torch::Tensor& noise_BCHW) const {
  return mean_BCHW + torch::exp(0.5 * log_variance_BCHW) * noise_BCHW;
}

torch::Tensor DiagonalGaussian::Kl() const {
  const torch::Tensor terms = mean_BCHW.square() + log_variance_BCHW.exp() - 1.0 - log_variance_BCHW;
  return 0.5 * terms.sum({1, 2, 3});
}

AutoencoderImpl::AutoencoderImpl(const AutoencoderConfig& config) : config_(config) {
  encoder_ = register_module("encoder", std::make_shared<AutoencoderEncoderImpl>(config));
  decoder_ = register_module("decoder", std::make_shared<AutoencoderDecoderImpl>(config));
  const int64_t latent = config.latent_channels;
  quant_conv_ = register_module("quant_conv", MakeConv1(2 * latent, 2 * latent));
  post_quant_conv_ = register_module("post_quant_conv", MakeConv1(latent, latent));
}

torch::Tensor AutoencoderImpl::Moments(const torch::Tensor& images_BCHW) {
  GENVINCI_CHECK(images_BCHW.size(1) == config_.channels, "{} channels, the model has {}", images_BCHW.size(1),
                 config_.channels);
  GENVINCI_CHECK(images_BCHW.size(2) % config_.Factor() == 0 && images_BCHW.size(3) % config_.Factor() == 0,
                 "image sides {} x {} must be divisible by {}", images_BCHW.size(2), images_BCHW.size(3),
                 config_.Factor());
  const torch::Tensor folded = SpaceToDepth(images_BCHW, config_.space_to_depth);
  return Pointwise(quant_conv_, encoder_->forward(folded));
}

DiagonalGaussian AutoencoderImpl::Encode(const torch::Tensor& images_BCHW) {
  const auto moments = Moments(images_BCHW).chunk(2, 1);
  return {moments[0], moments[1].clamp(kLowestLogVariance, kHighestLogVariance)};
}

torch::Tensor AutoencoderImpl::Decode(const torch::Tensor& latents_BCHW) {
  const torch::Tensor latents = latents_BCHW.contiguous(at::MemoryFormat::ChannelsLast);
  return DepthToSpace(decoder_->forward(Pointwise(post_quant_conv_, latents)), config_.space_to_depth);
}

}  // namespace genvinci
