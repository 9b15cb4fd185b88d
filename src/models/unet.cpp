#include "genvinci/models/unet.h"

#include <algorithm>
#include <variant>

#include "genvinci/core/error.h"
#include "genvinci/nn/layers.h"
#include "genvinci/nn/registry.h"
#include "genvinci/nn/res_block.h"
#include "genvinci/nn/resample.h"
#include "genvinci/nn/spatial_transformer.h"

namespace genvinci {

// What every stage sees besides the image.
struct StageInput {
  torch::Tensor active_time_BT, context_BLD;
  int64_t up_height = 0, up_width = 0;  // sides that an upsampling must reach
};

namespace {

torch::Tensor Run(ResBlock& block, const torch::Tensor& x, const StageInput& input) {
  return block(x, input.active_time_BT);
}
torch::Tensor Run(SpatialTransformer& attention, const torch::Tensor& x, const StageInput& input) {
  return attention(x, input.context_BLD);
}
torch::Tensor Run(Upsample& upsample, const torch::Tensor& x, const StageInput& input) {
  return upsample->To(x, input.up_height, input.up_width);
}
template <typename Layer>
torch::Tensor Run(Layer& layer, const torch::Tensor& x, const StageInput&) {
  return layer(x);
}

}  // namespace

// One entry of input_blocks, middle_block or output_blocks: layers called 0, 1, ... that run in turn.
class UNetStageImpl : public torch::nn::Module {
 public:
  using Layer = std::variant<torch::nn::Conv2d, ResBlock, SpatialTransformer, Downsample, Upsample>;

  template <typename Holder>
  void Add(Holder layer) {
    register_module(std::to_string(layers_.size()), layer);
    layers_.emplace_back(std::move(layer));
  }

  void AddResBlock(const UNetConfig& config, int64_t in, int64_t out) {
    ResBlockOptions options;
    options.in = in;
    options.out = out;
    options.time_dim = config.TimeDim();
    options.time_scale_shift = config.time_scale_shift;
    options.dropout = config.dropout;
    options.eps = kResBlockEps;
    options.norm_groups = config.norm_groups;
    ResBlock block(options);
    block->ZeroLastConv();
    Add(block);
  }

  torch::Tensor forward(torch::Tensor x_BCHW, const StageInput& input) {
    for (Layer& layer : layers_) {
      x_BCHW = std::visit([&](auto& typed) { return Run(typed, x_BCHW, input); }, layer);
    }
    return x_BCHW;
  }

 private:
  std::vector<Layer> layers_;
};

DenoiserShape UNetShape(const ModelOptions& options) { return UNetImpl::ShapeOf(options.unet); }

std::shared_ptr<DenoiserImpl> MakeUNet(const ModelOptions& options) { return std::make_shared<UNetImpl>(options.unet); }

DenoiserShape UNetImpl::ShapeOf(const UNetConfig& config) {
  return {config.latent_channels, config.context_dim, config.TimeDim(),
          config.space_to_depth << (config.channel_mult.size() - 1), config.HasAttention()};
}

UNetImpl::UNetImpl(const UNetConfig& config) : DenoiserImpl(ShapeOf(config)), config_(config) {
  const int64_t width = config.model_channels;
  time_in_ = RegisterAt(*this, "time_embed.0", torch::nn::Linear(width, config.TimeDim()));
  time_out_ = RegisterAt(*this, "time_embed.2", torch::nn::Linear(config.TimeDim(), config.TimeDim()));
  std::vector<int64_t> skip_channels;
  AddInput(skip_channels);
  const int64_t lowest = skip_channels.back();
  middle_ = register_module("middle_block", std::make_shared<UNetStageImpl>());
  middle_->AddResBlock(config, lowest, lowest);
  if (config.mid_attention)
    middle_->Add(SpatialTransformer(lowest, config.context_dim, config.heads, config.norm_groups));
  middle_->AddResBlock(config, lowest, lowest);
  const int64_t highest = AddOutput(skip_channels, lowest);
  out_norm_ = RegisterAt(*this, "out.0", MakeGroupNorm(highest, kResBlockEps, config.norm_groups));
  const int64_t folded = config.latent_channels * config.space_to_depth * config.space_to_depth;
  out_conv_ = RegisterAt(*this, "out.2", MakeConv3(highest, folded));
  ZeroInit(out_conv_);
}

bool UNetImpl::HasAttention(size_t level) const {
  const auto& at = config_.attention_downsamples;
  return std::find(at.begin(), at.end(), int64_t{1} << level) != at.end();
}

void UNetImpl::AddInput(std::vector<int64_t>& skip_channels) {
  const auto add_stage = [&] {
    input_stages_.push_back(std::make_shared<UNetStageImpl>());
    return RegisterAt(*this, "input_blocks." + std::to_string(input_stages_.size() - 1), input_stages_.back());
  };
  int64_t channels = config_.model_channels;
  const int64_t folded = config_.latent_channels * config_.space_to_depth * config_.space_to_depth;
  add_stage()->Add(MakeConv3(folded, channels));
  skip_channels.push_back(channels);
  for (size_t level = 0; level < config_.channel_mult.size(); ++level) {
    const int64_t out = config_.model_channels * config_.channel_mult[level];
    for (int64_t i = 0; i < config_.res_blocks; ++i) {
      const auto stage = add_stage();
      stage->AddResBlock(config_, channels, out);
      channels = out;
      if (HasAttention(level))
        stage->Add(SpatialTransformer(channels, config_.context_dim, config_.heads, config_.norm_groups));
      skip_channels.push_back(channels);
    }
    if (level + 1 < config_.channel_mult.size()) {
      add_stage()->Add(Downsample(channels, DownsamplePadding::kEven));
      skip_channels.push_back(channels);
    }
  }
}

int64_t UNetImpl::AddOutput(std::vector<int64_t> skip_channels, int64_t channels) {
  for (size_t level = config_.channel_mult.size(); level-- > 0;) {
    const int64_t out = config_.model_channels * config_.channel_mult[level];
    for (int64_t i = 0; i <= config_.res_blocks; ++i) {
      const auto stage = std::make_shared<UNetStageImpl>();
      RegisterAt(*this, "output_blocks." + std::to_string(output_stages_.size()), stage);
      output_stages_.push_back(stage);
      stage->AddResBlock(config_, channels + skip_channels.back(), out);
      skip_channels.pop_back();
      channels = out;
      if (HasAttention(level))
        stage->Add(SpatialTransformer(channels, config_.context_dim, config_.heads, config_.norm_groups));
      if (level > 0 && i == config_.res_blocks) stage->Add(Upsample(channels));
    }
  }
  return channels;
}

torch::Tensor UNetImpl::RunStage(const std::shared_ptr<UNetStageImpl>& stage, const torch::Tensor& x_BCHW,
                                 const StageInput& input) const {
  return RunLayer(*stage, {x_BCHW, input.active_time_BT, input.context_BLD}, [stage, input](const auto& tensors) {
    StageInput again = input;
    again.active_time_BT = tensors[1];
    again.context_BLD = tensors[2];
    return stage->forward(tensors[0], again);
  });
}

torch::Tensor UNetImpl::forward(const torch::Tensor& latents_BCHW, const torch::Tensor& timesteps_B,
                                const torch::Tensor& context_BLD, const torch::Tensor& time_BT) {
  GENVINCI_CHECK(latents_BCHW.size(1) == config_.latent_channels, "{} channels, the model has {}", latents_BCHW.size(1),
                 config_.latent_channels);
  GENVINCI_CHECK(
      latents_BCHW.size(2) % config_.space_to_depth == 0 && latents_BCHW.size(3) % config_.space_to_depth == 0,
      "latent sides {} x {} must be divisible by {}", latents_BCHW.size(2), latents_BCHW.size(3),
      config_.space_to_depth);
  const torch::Tensor sinusoids = TimestepEmbedding(timesteps_B, config_.model_channels).to(latents_BCHW.scalar_type());
  torch::Tensor time = time_out_(torch::silu(time_in_(sinusoids)));
  if (time_BT.defined()) time = time + time_BT;
  StageInput input{torch::silu(time), context_BLD};

  torch::Tensor h = SpaceToDepth(latents_BCHW, config_.space_to_depth);
  std::vector<torch::Tensor> skips;
  for (const auto& stage : input_stages_) skips.push_back(h = RunStage(stage, h, input));
  h = RunStage(middle_, h, input);
  for (const auto& stage : output_stages_) {
    const torch::Tensor joined = torch::cat({h, skips.back()}, 1);
    skips.pop_back();
    // Odd sides were rounded up on the way down: the way up goes by the skips that are to come.
    if (!skips.empty()) input.up_height = skips.back().size(2), input.up_width = skips.back().size(3);
    h = RunStage(stage, joined, input);
  }
  return DepthToSpace(out_conv_(torch::silu(out_norm_(h))), config_.space_to_depth);
}

}  // namespace genvinci
