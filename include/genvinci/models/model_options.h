#pragma once

#include <memory>
#include <string>
#include <vector>

#include "genvinci/core/options.h"

namespace genvinci {

// BERT as Geneformer V1 has it (Theodoris et al. 2023); the defaults are the reference's.
struct GeneTransformerConfig {
  int64_t vocabulary_size = 25426;
  int64_t hidden = 256;
  int64_t layers = 6;
  int64_t heads = 4;
  int64_t feed_forward = 512;
  int64_t max_tokens = 2048;
  double dropout = 0.02;
  std::string activation = "relu";

  template <typename Visitor>
  void Fields(Visitor& v) {
    v("vocabulary_size", vocabulary_size, "tokens, with <pad> and <mask>", Range{3, 1e7});
    v("hidden", hidden, "width", Range{1, 65536});
    v("layers", layers, "number of layers", Range{1, 512});
    v("heads", heads, "attention heads", Range{1, 1024});
    v("feed_forward", feed_forward, "width of the feed-forward part", Range{1, 262144});
    v("max_tokens", max_tokens, "positions; longer profiles are cut", Range{1, 65536});
    v("activation", activation, "of the feed-forward part and the head", Choices{{"relu", "gelu"}});
    v("dropout", dropout, "drop-out of attention and hidden", Range{0, 0.99});
  }
};

// From the transformer's last hidden state, or any vector of an observation, to the UNet's context and the addition to
// its time embedding.
struct ConditionerConfig {
  std::string kind = "genvinci";
  int64_t context_tokens = 77;
  int64_t context_dim = 768;
  int64_t time_dim = 1280;
  int64_t semantic_dim = 0;
  int64_t vector_dim = 0;

  bool ReadsGenes() const { return kind != "vector"; }

  template <typename Visitor>
  void Fields(Visitor& v) {
    v("kind", kind,
      "genvinci (the reference's, all positions), pooled (learned queries, no padding) or vector (an embedding in "
      "place "
      "of genes)",
      Choices{{"genvinci", "pooled", "vector"}});
    v("context_tokens", context_tokens, "length of the context", Range{1, 4096});
    v("context_dim", context_dim, "width of the context", Range{1, 16384});
    v("time_dim", time_dim, "width of the UNet's time embedding", Range{1, 16384});
    v("semantic_dim", semantic_dim, "width of the semantic path's image embedding, 0: without one", Range{0, 16384});
    v("vector_dim", vector_dim, "numbers of an observation's vector, with kind vector", Range{0, 1e6});
  }
};

// The extra condition besides the profile; see extra_conditioner.h.
struct ExtraConfig {
  int64_t neighbours = 0;
  int64_t neighbour_dim = 0;
  int64_t vector_dim = 0;

  bool Any() const { return neighbours > 0 || vector_dim > 0; }

  template <typename Visitor>
  void Fields(Visitor& v) {
    v("neighbours", neighbours, "neighbouring observations, 0: none", Range{0, 1024});
    v("neighbour_dim", neighbour_dim, "numbers of a neighbour's embedding", Range{0, 1e6});
    v("vector_dim", vector_dim, "numbers of an observation's second vector, 0: none", Range{0, 1e6});
  }
};

// KL autoencoder of Stable Diffusion 1.5 (Rombach et al. 2022); the defaults are SD's KL-f8.
struct AutoencoderConfig {
  int64_t channels = 3;
  int64_t base_channels = 128;
  std::vector<int64_t> channel_mult = {1, 2, 4, 4};
  int64_t res_blocks = 2;
  int64_t latent_channels = 4;
  int64_t space_to_depth = 1;
  bool mid_attention = true;
  int64_t norm_groups = 0;

  // Pixels of the image to one of the latent, a side.
  int64_t Factor() const { return space_to_depth << (channel_mult.size() - 1); }

  template <typename Visitor>
  void Fields(Visitor& v) {
    v("channels", channels, "image channels", Range{1, 64});
    v("base_channels", base_channels, "width at the first level; a multiple of 32 or below 32", Range{1, 4096});
    v("channel_mult", channel_mult, "width of each level in units of base_channels; each level but the last halves");
    v("res_blocks", res_blocks, "residual blocks a level (the decoder has one more)", Range{1, 16});
    v("latent_channels", latent_channels, "channels of the latent", Range{1, 256});
    v("space_to_depth", space_to_depth,
      "side of the blocks of pixels that are folded into channels first (1: none, as SD)", Range{1, 16});
    v("mid_attention", mid_attention, "attention in the middle, as SD");
    v("norm_groups", norm_groups, "groups of each normalisation (0: at most 32, with two channels or more in each)",
      Range{0, 4096});
  }
};

// UNet of Stable Diffusion 1.5; the defaults are SD's.
struct UNetConfig {
  int64_t latent_channels = 4;
  int64_t model_channels = 320;
  std::vector<int64_t> channel_mult = {1, 2, 4, 4};
  int64_t res_blocks = 2;
  std::vector<int64_t> attention_downsamples = {1, 2, 4};
  int64_t heads = 8;
  int64_t context_dim = 768;
  int64_t space_to_depth = 1;
  bool mid_attention = true;
  bool time_scale_shift = false;
  double dropout = 0;
  int64_t norm_groups = 0;

  int64_t TimeDim() const { return 4 * model_channels; }
  // Without attention the context is not read, and the profile acts through the time embedding alone.
  bool HasAttention() const { return mid_attention || !attention_downsamples.empty(); }

  template <typename Visitor>
  void Fields(Visitor& v) {
    v("latent_channels", latent_channels, "channels of the latent", Range{1, 256});
    v("model_channels", model_channels, "width at the first level", Range{1, 8192});
    v("channel_mult", channel_mult, "width of each level in units of model_channels");
    v("res_blocks", res_blocks, "residual blocks a level (one more on the way up)", Range{1, 16});
    v("attention_downsamples", attention_downsamples, "downsampling factors at which there is attention");
    v("heads", heads, "attention heads", Range{1, 256});
    v("context_dim", context_dim, "width of the context", Range{1, 16384});
    v("space_to_depth", space_to_depth,
      "side of the blocks of latent pixels that are folded into channels first (1: none, as SD)", Range{1, 16});
    v("mid_attention", mid_attention,
      "attention in the middle, as SD; without any attention the profile acts through the time embedding alone");
    v("time_scale_shift", time_scale_shift,
      "the time embedding scales and shifts normalised features (diffusers' scale_shift) instead of being added to "
      "them, as in SD");
    v("norm_groups", norm_groups, "groups of each normalisation (0: at most 32, with two channels or more in each)",
      Range{0, 4096});
    v("dropout", dropout, "drop-out in residual blocks", Range{0, 0.99});
  }
};

// A small convolutional network from patches to features.
struct PatchEncoderConfig {
  int64_t channels = 3;
  int64_t base_channels = 32;
  int64_t stages = 3;
  int64_t feature_dim = 64;

  template <typename Visitor>
  void Fields(Visitor& v) {
    v("channels", channels, "image channels", Range{1, 64});
    v("base_channels", base_channels, "width of the first stage; later ones are up to four times as wide",
      Range{1, 4096});
    v("stages", stages, "stages, each of which halves the resolution", Range{2, 10});
    v("feature_dim", feature_dim, "features of an image", Range{2, 16384});
  }
};

// The contrastive gene-image encoder; see aligner.h.
struct AlignerConfig {
  GeneTransformerConfig transformer;
  PatchEncoderConfig patch_encoder;
  int64_t embedding_dim = 64;

  template <typename Visitor>
  void Fields(Visitor& v) {
    v("transformer", transformer, "gene transformer");
    v("patch_encoder", patch_encoder, "patch encoder");
    v("embedding_dim", embedding_dim, "width of the space that images and profiles share", Range{2, 16384});
  }
};

class DenoiserImpl;
struct ModelOptions;

// What the other parts must fit.
struct DenoiserShape {
  int64_t latent_channels = 0;
  int64_t context_dim = 0;
  int64_t time_dim = 0;         // width of what joins the time embedding
  int64_t latent_multiple = 1;  // by which the sides of the latents must divide
  bool reads_context = true;    // else the profile acts through the time embedding alone
};
using DenoiserFactory = std::shared_ptr<DenoiserImpl>(const ModelOptions& options);
using DenoiserShapeFunction = DenoiserShape(const ModelOptions& options);

// Each denoiser is defined in a source file of its own in src/models.
DenoiserFactory MakeUNet;
DenoiserShapeFunction UNetShape;

// The visible registry of denoisers. Checkpoints keep a denoiser's tensors under its name.
struct DenoiserEntry {
  const char* name;
  DenoiserFactory* make;
  DenoiserShapeFunction* shape;
};
inline constexpr DenoiserEntry kDenoisers[] = {
    {"unet", MakeUNet, UNetShape},
};
inline constexpr auto kDenoiserNames = NamesIn(kDenoisers);

struct ModelOptions {
  GeneTransformerConfig transformer;
  ConditionerConfig conditioner;
  AutoencoderConfig autoencoder;
  UNetConfig unet;
  ExtraConfig second = {};
  std::string denoiser = "unet";

  template <typename Visitor>
  void Fields(Visitor& v) {
    v("transformer", transformer, "gene transformer");
    v("conditioner", conditioner, "conditioner");
    v("autoencoder", autoencoder, "autoencoder");
    v("unet", unet, "UNet");
    v("second", second, "extra condition besides the profile (set by what is given)");
    v("denoiser", denoiser, "network that predicts the noise", Choices{Listed(kDenoiserNames)});
  }
};

// "tiny" (tests), "small" (a laptop's CPU, 64 px), "base" (one GPU, 128-256 px), "genvinci-sd15" (the reference).
inline const std::vector<std::string> kModelSizes = {"tiny", "small", "base", "genvinci-sd15"};
// ConfigError (MODEL_SIZE) for another name.
ModelOptions ModelPreset(const std::string& size);
AlignerConfig AlignerPreset(const std::string& size);
// That each part can be made (heads divide widths, ...) and CheckFit. ConfigError (MODEL_SIZES) names the two keys.
void CheckModels(const ModelOptions& options);
// That the parts fit each other: conditioner, autoencoder and denoiser agree on what they exchange. ConfigError,
// likewise.
void CheckFit(const ModelOptions& options);

}  // namespace genvinci
