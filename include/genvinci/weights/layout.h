#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "genvinci/models/model_options.h"
#include "genvinci/models/vision_transformer.h"
#include "genvinci/weights/weight_source.h"

namespace genvinci {

// Where a model's tensors are in a source: `theirs` gives the whole name there of one of our names.
struct Layout {
  std::string kind;    // "CompVis", "diffusers", "Hugging Face", "timm", ...
  std::string prefix;  // of all of the model's names there
  std::function<std::string(const std::string& ours)> theirs;
  // Beginnings, behind the prefix, of names that our model has no place for and that its result does not need (a tied
  // decoder, a pooler, a classifier).
  std::vector<std::string> unused = {};
};

// Each finds a model by the name of one of its tensors, under any prefix (model.diffusion_model., first_stage_model.,
// cond_stage_model., unet., state_dict., module., ...). Names are CompVis's or GenVinci's, diffusers' (with its older
// names of attention), Hugging Face's (with or without "bert."), timm's and open_clip's, torchvision's, lpips's.
// Nothing where the source does not hold the model; DataError WEIGHTS_EMA where averaged weights of a UNet are wanted
// and it holds none.
std::optional<Layout> FindUNet(const WeightSource& source);
std::optional<Layout> FindAutoencoder(const WeightSource& source);
std::optional<Layout> FindGeneTransformer(const WeightSource& source);
std::optional<Layout> FindConditioner(const WeightSource& source);
std::optional<Layout> FindVisionTransformer(const WeightSource& source);
std::optional<Layout> FindInception(const WeightSource& source);
std::optional<Layout> FindLpips(const WeightSource& source);

// What diffusers calls the tensor of Stable Diffusion's UNet or autoencoder that we call `ours`. It depends on the
// numbers of levels and blocks, as diffusers numbers levels where CompVis numbers blocks.
std::string DiffusersUNetName(const std::string& ours, int64_t res_blocks, int64_t levels);
std::string DiffusersAutoencoderName(const std::string& ours, int64_t levels, bool old_attention);

// Sizes of a model from its tensors, with what tensors cannot tell (heads, groups of normalisation) from config.json
// or, without one, as the models' authors have it. DataError WEIGHTS_CONFIG where they make no sense.
UNetConfig InferUNet(const WeightSource& source, const Layout& layout);
AutoencoderConfig InferAutoencoder(const WeightSource& source, const Layout& layout);
GeneTransformerConfig InferGeneTransformer(const WeightSource& source, const Layout& layout);
ConditionerConfig InferConditioner(const WeightSource& source, const Layout& layout);
VisionTransformerConfig InferVisionTransformer(const WeightSource& source, const Layout& layout);

}  // namespace genvinci
