#include "genvinci/core/error.h"
#include "genvinci/core/text.h"
#include "genvinci/models/denoiser.h"
#include "genvinci/models/model_options.h"

namespace genvinci {
namespace {

constexpr int64_t kVocabulary = 25426;

ModelOptions Tiny() {
  ModelOptions options;
  options.transformer = {kVocabulary,       /*hidden=*/32,   /*layers=*/1, /*heads=*/2, /*feed_forward=*/64,
                         /*max_tokens=*/64, /*dropout=*/0.02};
  options.autoencoder = {/*channels=*/3,       /*base_channels=*/16,   {1, 2},
                         /*res_blocks=*/1,     /*latent_channels=*/4,
                         /*space_to_depth=*/1, /*mid_attention=*/false};
  options.unet = {/*latent_channels=*/4,
                  /*model_channels=*/32,
                  {1, 2},
                  /*res_blocks=*/1,
                  /*attention_downsamples=*/{2},
                  /*heads=*/2,
                  /*context_dim=*/32,
                  /*space_to_depth=*/1,
                  /*mid_attention=*/true,
                  /*time_scale_shift=*/false,
                  /*dropout=*/0};
  options.conditioner = {"pooled", /*context_tokens=*/4, /*context_dim=*/32, options.unet.TimeDim()};
  return options;
}

ModelOptions Small() {
  ModelOptions options;
  options.transformer = {kVocabulary,        /*hidden=*/128, /*layers=*/2, /*heads=*/4, /*feed_forward=*/256,
                         /*max_tokens=*/256, /*dropout=*/0};
  // All of the autoencoder works at a quarter of the resolution, where a convolution costs a sixteenth.
  options.autoencoder = {/*channels=*/3,       /*base_channels=*/64,   {1},
                         /*res_blocks=*/1,     /*latent_channels=*/4,
                         /*space_to_depth=*/4, /*mid_attention=*/false};
  // Narrow, all of it at the latents' resolution, and without attention: in a CPU's few minutes, many cheap steps at
  // full resolution draw far better than levels that halve it. The profile acts through the time embedding.
  options.unet = {/*latent_channels=*/4,
                  /*model_channels=*/48,
                  {1},
                  /*res_blocks=*/2,
                  /*attention_downsamples=*/{},
                  /*heads=*/1,
                  /*context_dim=*/128,
                  /*space_to_depth=*/1,
                  /*mid_attention=*/false,
                  /*time_scale_shift=*/true,
                  /*dropout=*/0};
  options.conditioner = {"pooled", /*context_tokens=*/8, /*context_dim=*/128, options.unet.TimeDim()};
  return options;
}

ModelOptions Base() {
  ModelOptions options;
  options.transformer = {kVocabulary,         /*hidden=*/256,  /*layers=*/6, /*heads=*/4, /*feed_forward=*/512,
                         /*max_tokens=*/2048, /*dropout=*/0.02};
  options.autoencoder = {/*channels=*/3,       /*base_channels=*/64,  {1, 2, 4, 4},
                         /*res_blocks=*/2,     /*latent_channels=*/4,
                         /*space_to_depth=*/1, /*mid_attention=*/true};
  options.unet = {/*latent_channels=*/4,
                  /*model_channels=*/96,
                  {1, 2, 4, 4},
                  /*res_blocks=*/2,
                  /*attention_downsamples=*/{2, 4},
                  /*heads=*/8,
                  /*context_dim=*/512,
                  /*space_to_depth=*/1,
                  /*mid_attention=*/true,
                  /*time_scale_shift=*/false,
                  /*dropout=*/0};
  options.conditioner = {"pooled", /*context_tokens=*/32, /*context_dim=*/512, options.unet.TimeDim()};
  return options;
}

void RequireEqual(const char* key, int64_t value, const std::string& other_key, int64_t other) {
  if (value == other) return;
  throw ConfigError("MODEL_SIZES", "{} is {}, {} is {}: they must be equal", key, value, other_key, other);
}

void RequireDivisible(const char* key, int64_t value, const char* divisor_key, int64_t divisor) {
  if (value % divisor == 0) return;
  throw ConfigError("MODEL_SIZES", "{} is {}, which {} {} does not divide: change one of them", key, value, divisor_key,
                    divisor);
}

void RequireLevels(const char* key, const std::vector<int64_t>& channel_mult) {
  constexpr size_t kMostLevels = 8;
  bool valid = !channel_mult.empty() && channel_mult.size() <= kMostLevels;
  for (const int64_t mult : channel_mult) valid = valid && mult >= 1 && mult <= 64;
  if (valid) return;
  throw ConfigError("MODEL_SIZES", "{} has {} levels: give 1 to {} factors between 1 and 64", key, channel_mult.size(),
                    kMostLevels);
}

}  // namespace

ModelOptions ModelPreset(const std::string& size) {
  if (size == "tiny") return Tiny();
  if (size == "small") return Small();
  if (size == "base") return Base();
  // The structs' defaults are the reference's.
  if (size == "genvinci-sd15") return ModelOptions();
  throw ConfigError("MODEL_SIZE", "model size '{}' is unknown{}: use {}", size, DidYouMean(size, kModelSizes),
                    JoinText(kModelSizes, ", "));
}

AlignerConfig AlignerPreset(const std::string& size) {
  AlignerConfig config;
  config.transformer = ModelPreset(size).transformer;
  if (size == "tiny") {
    config.patch_encoder = {/*channels=*/3, /*base_channels=*/8, /*stages=*/2, /*feature_dim=*/16};
    config.embedding_dim = 16;
  } else if (size == "base" || size == "genvinci-sd15") {
    config.patch_encoder = {/*channels=*/3, /*base_channels=*/64, /*stages=*/5, /*feature_dim=*/256};
    config.embedding_dim = 256;
  }
  return config;
}

void CheckFit(const ModelOptions& options) {
  const DenoiserShape shape = ShapeOf(options);
  const std::string name = options.denoiser;
  RequireEqual("conditioner.context_dim", options.conditioner.context_dim, name + "'s context width",
               shape.context_dim);
  RequireEqual("conditioner.time_dim", options.conditioner.time_dim, name + "'s time width", shape.time_dim);
  RequireEqual("autoencoder.latent_channels", options.autoencoder.latent_channels, name + "'s latent channels",
               shape.latent_channels);
}

void CheckModels(const ModelOptions& options) {
  const UNetConfig& unet = options.unet;
  RequireLevels("autoencoder.channel_mult", options.autoencoder.channel_mult);
  RequireLevels("unet.channel_mult", unet.channel_mult);
  RequireDivisible("transformer.hidden", options.transformer.hidden, "transformer.heads", options.transformer.heads);
  for (const int64_t mult : unet.channel_mult) {
    RequireDivisible("unet.model_channels x channel_mult", unet.model_channels * mult, "unet.heads", unet.heads);
  }
  CheckFit(options);
  const int64_t deepest = int64_t{1} << (unet.channel_mult.size() - 1);
  for (const int64_t factor : unet.attention_downsamples) {
    if (factor >= 1 && deepest % factor == 0) continue;
    throw ConfigError("MODEL_SIZES",
                      "unet.attention_downsamples has {}: the levels of unet.channel_mult are at powers "
                      "of two up to {}",
                      factor, deepest);
  }
}

}  // namespace genvinci
