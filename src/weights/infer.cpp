#include <algorithm>
#include <cmath>

#include "genvinci/core/error.h"
#include "genvinci/weights/layout.h"

namespace genvinci {
namespace {

constexpr int64_t kStableDiffusionHeads = 8;
constexpr int64_t kStableDiffusionGroups = 32;
constexpr int64_t kBertHeadWidth = 64;
constexpr int64_t kVisionHeadWidth = 64;

// Sizes of tensors under our names.
class Sizes {
 public:
  Sizes(const WeightSource& source, const Layout& layout) : source_(source), layout_(layout) {}

  bool Has(const std::string& ours) const { return source_.Has(layout_.theirs(ours)); }
  int64_t Of(const std::string& ours, size_t axis) const {
    const std::string name = layout_.theirs(ours);
    const std::vector<int64_t>& shape = source_.Shape(name);
    if (axis >= shape.size() || shape[axis] < 1)
      throw DataError("WEIGHTS_CONFIG", "{}: '{}' has {} axes", source_.path().string(), name, shape.size());
    return shape[axis];
  }
  int64_t Count(const std::string& before, const std::string& behind) const {
    int64_t count = 0;
    while (Has(before + std::to_string(count) + behind)) ++count;
    return count;
  }
  void Require(bool sensible, const char* what) const {
    if (!sensible) throw DataError("WEIGHTS_CONFIG", "{}: {}", source_.path().string(), what);
  }
  // For a number that no tensor's shape tells, so that it comes from config.json or is Stable Diffusion's.
  void RequireDivisor(int64_t number, int64_t width, const char* key) const {
    if (number > 0 && width % number == 0) return;
    throw DataError("WEIGHTS_CONFIG",
                    "{}: {} = {} does not divide a width of {}: give its config.json (--model_config)",
                    source_.path().string(), key, number, width);
  }
  // A number of config.json; lists of equal numbers count as one.
  int64_t Configured(const char* key, int64_t otherwise) const {
    const Json& config = source_.config();
    if (!config.is_object() || !config.contains(key) || config[key].is_null()) return otherwise;
    const Json& value = config[key];
    if (value.is_number_integer()) return value.get<int64_t>();
    if (value.is_array() && !value.empty() && value[0].is_number_integer()) {
      for (const Json& one : value) {
        if (one != value[0]) Require(false, "its levels have different numbers of heads, which is not supported");
      }
      return value[0].get<int64_t>();
    }
    Require(false, "a number of its config.json is none");
    return otherwise;
  }

 private:
  const WeightSource& source_;
  const Layout& layout_;
};

// A config that genvinci wrote with the weights: under `key` of state.json or of its "pipeline".
template <typename Config>
bool OwnConfig(const WeightSource& source, const char* key, Config& config) {
  const Json& state = source.config();
  if (!state.is_object()) return false;
  const Json models = state.value("pipeline", Json::object()).value("models", Json::object());
  const Json& found = models.contains(key) ? models[key] : state.contains(key) ? state[key] : Json();
  if (!found.is_object() || !state.contains("kind")) return false;
  FromJson(found, config, source.path().string());
  return true;
}

}  // namespace

UNetConfig InferUNet(const WeightSource& source, const Layout& layout) {
  UNetConfig config;
  if (OwnConfig(source, "unet", config)) return config;
  const Sizes sizes(source, layout);
  config.model_channels = sizes.Of("input_blocks.0.0.weight", 0);
  config.latent_channels = sizes.Of("input_blocks.0.0.weight", 1);
  config.heads = sizes.Configured("num_attention_heads", sizes.Configured("attention_head_dim", kStableDiffusionHeads));
  config.norm_groups = sizes.Configured("norm_num_groups", kStableDiffusionGroups);
  config.attention_downsamples.clear();
  config.channel_mult.clear();
  const auto has_block = [&](int64_t i) {
    return sizes.Has("input_blocks." + std::to_string(i) + ".0.in_layers.2.weight");
  };
  // diffusers' names need the number of blocks, which its layout knows; in CompVis's, blocks run to the downsampling.
  config.res_blocks = 0;
  while (has_block(config.res_blocks + 1)) ++config.res_blocks;
  sizes.Require(config.res_blocks > 0, "its UNet has no residual blocks");
  for (int64_t block = 1; has_block(block); block += config.res_blocks + 1) {
    const std::string stage = "input_blocks." + std::to_string(block);
    const int64_t width = sizes.Of(stage + ".0.in_layers.2.weight", 0);
    sizes.Require(width % config.model_channels == 0, "the widths of its UNet are no multiples of the first");
    sizes.RequireDivisor(config.norm_groups, width, "norm_num_groups");
    sizes.RequireDivisor(config.heads, width, "attention_head_dim");
    const std::string context = stage + ".1.transformer_blocks.0.attn2.to_k.weight";
    if (sizes.Has(context)) {
      config.attention_downsamples.push_back(int64_t{1} << config.channel_mult.size());
      config.context_dim = sizes.Of(context, 1);
    }
    config.channel_mult.push_back(width / config.model_channels);
  }
  const std::string middle = "middle_block.1.transformer_blocks.0.attn2.to_k.weight";
  config.mid_attention = sizes.Has(middle);
  if (config.mid_attention) config.context_dim = sizes.Of(middle, 1);
  return config;
}

AutoencoderConfig InferAutoencoder(const WeightSource& source, const Layout& layout) {
  AutoencoderConfig config;
  if (OwnConfig(source, "autoencoder", config)) return config;
  const Sizes sizes(source, layout);
  config.channels = sizes.Of("encoder.conv_in.weight", 1);
  config.base_channels = sizes.Of("encoder.conv_in.weight", 0);
  config.latent_channels = sizes.Of("post_quant_conv.weight", 0);
  config.norm_groups = sizes.Configured("norm_num_groups", kStableDiffusionGroups);
  config.res_blocks = sizes.Count("encoder.down.0.block.", ".conv1.weight");
  config.mid_attention = sizes.Has("encoder.mid.attn_1.q.weight");
  config.channel_mult.clear();
  const int64_t levels = sizes.Count("encoder.down.", ".block.0.conv1.weight");
  for (int64_t level = 0; level < levels; ++level) {
    const int64_t width = sizes.Of("encoder.down." + std::to_string(level) + ".block.0.conv1.weight", 0);
    sizes.Require(width % config.base_channels == 0, "the widths of its autoencoder are no multiples of the first");
    sizes.RequireDivisor(config.norm_groups, width, "norm_num_groups");
    config.channel_mult.push_back(width / config.base_channels);
  }
  return config;
}

GeneTransformerConfig InferGeneTransformer(const WeightSource& source, const Layout& layout) {
  GeneTransformerConfig config;
  if (OwnConfig(source, "transformer", config)) return config;
  const Sizes sizes(source, layout);
  config.vocabulary_size = sizes.Of("bert.embeddings.word_embeddings.weight", 0);
  config.hidden = sizes.Of("bert.embeddings.word_embeddings.weight", 1);
  config.max_tokens = sizes.Of("bert.embeddings.position_embeddings.weight", 0);
  config.layers = sizes.Count("bert.encoder.layer.", ".attention.self.query.weight");
  sizes.Require(config.layers > 0, "its transformer has no layers");
  config.feed_forward = sizes.Of("bert.encoder.layer.0.intermediate.dense.weight", 0);
  config.heads = sizes.Configured("num_attention_heads", std::max<int64_t>(1, config.hidden / kBertHeadWidth));
  sizes.Require(config.heads > 0 && config.hidden % config.heads == 0, "its heads do not divide its width");
  const Json& json = source.config();
  const std::string activation = json.is_object() ? json.value("hidden_act", std::string("relu")) : "relu";
  sizes.Require(activation == "relu" || activation == "gelu", "hidden_act is neither relu nor gelu");
  config.activation = activation;
  return config;
}

ConditionerConfig InferConditioner(const WeightSource& source, const Layout& layout) {
  ConditionerConfig config;
  if (OwnConfig(source, "conditioner", config)) return config;
  const Sizes sizes(source, layout);
  sizes.Require(sizes.Has("channel_mapper.0.weight"),
                "its conditioner is not the reference's and has no configuration");
  config.context_tokens = sizes.Of("channel_mapper.0.weight", 0);
  config.context_dim = sizes.Of("dim_mapper.0.weight", 0);
  if (sizes.Has("time_embed_condtion.2.weight")) config.time_dim = sizes.Of("time_embed_condtion.2.weight", 0);
  if (sizes.Has("mapping.1.weight")) config.semantic_dim = sizes.Of("mapping.1.weight", 0);
  return config;
}

VisionTransformerConfig InferVisionTransformer(const WeightSource& source, const Layout& layout) {
  const Sizes sizes(source, layout);
  VisionTransformerConfig config;
  config.hidden = sizes.Of("trunk.patch_embed.proj.weight", 0);
  config.channels = sizes.Of("trunk.patch_embed.proj.weight", 1);
  config.patch_size = sizes.Of("trunk.patch_embed.proj.weight", 2);
  config.layers = sizes.Count("trunk.blocks.", ".attn.qkv.weight");
  sizes.Require(config.layers > 0, "its vision transformer has no layers");
  config.feed_forward = sizes.Of("trunk.blocks.0.mlp.fc1.weight", 0);
  const int64_t patches = sizes.Of("trunk.pos_embed", 1) - 1;
  const int64_t side = std::llround(std::sqrt(static_cast<double>(patches)));
  sizes.Require(side * side == patches && side > 0, "its patches form no square");
  config.img_size = side * config.patch_size;
  constexpr int64_t kHuge = 1280;  // ViT-H has heads of 80
  const int64_t heads = config.hidden == kHuge ? 16 : std::max<int64_t>(1, config.hidden / kVisionHeadWidth);
  config.heads = sizes.Configured("num_heads", sizes.Configured("num_attention_heads", heads));
  sizes.Require(config.heads > 0 && config.hidden % config.heads == 0, "its heads do not divide its width");
  config.projection = sizes.Has("head.proj.weight") ? sizes.Of("head.proj.weight", 0) : 0;
  return config;
}

}  // namespace genvinci
