#pragma once

#include <torch/torch.h>

#include "genvinci/models/gene_transformer.h"
#include "genvinci/models/model_options.h"
#include "genvinci/models/patch_encoder.h"
#include "genvinci/models/profile_pooling.h"

namespace genvinci {

// Images and profiles in one space, where a spot's image lies near its own profile: the contrastive objective of CLIP
// (Radford et al. 2021, figure 3). A torch module whose children are `transformer`, `pooling`, `patch_encoder`,
// `image_head`, `gene_head`, `view_in`, `view_out`; parameter `logit_scale`, the logarithm of the inverse temperature.
class AlignerImpl : public torch::nn::Module {
 public:
  explicit AlignerImpl(const AlignerConfig& config);

  const AlignerConfig& config() const { return config_; }

  // The domain features of images in [-1, 1]: (B, feature_dim), as the patch encoder gives them, not normalised.
  torch::Tensor Features(const torch::Tensor& images_BCHW);
  // Unit vectors (B, embedding_dim) of features, and of profiles behind the transformer (ProfilePooling's inputs).
  torch::Tensor EmbedFeatures(const torch::Tensor& features_BF);
  torch::Tensor EmbedProfiles(const torch::Tensor& hidden_BLD, const torch::Tensor& tokens_BL);
  // Scaled cosines of all pairs: (images, profiles).
  torch::Tensor Logits(const torch::Tensor& images_BE, const torch::Tensor& profiles_BE) const;
  // Mean cross-entropy of finding the pairs on the diagonal, both ways.
  torch::Tensor Loss(const torch::Tensor& images_BE, const torch::Tensor& profiles_BE) const;
  // The same between two augmented views of each image, from their features, at a fixed temperature: SimCLR's objective
  // (Chen et al. 2020) through a head of its own.
  torch::Tensor ViewLoss(const torch::Tensor& one_BF, const torch::Tensor& other_BF);

  GeneTransformer transformer{nullptr};
  ProfilePooling pooling{nullptr};
  PatchEncoder patch_encoder{nullptr};
  torch::nn::Linear image_head{nullptr}, gene_head{nullptr}, view_in{nullptr}, view_out{nullptr};
  torch::Tensor logit_scale;

 private:
  torch::Tensor EmbedView(const torch::Tensor& features_BF);

  AlignerConfig config_;
};
TORCH_MODULE(Aligner);

// Features (N, feature_dim), float64 on the CPU, of 8-bit images (N, C, H, W), which are resized to `img_size`, the
// size that the aligner was trained at. In evaluation mode, without gradients.
torch::Tensor DomainFeatures(Aligner aligner, const torch::Tensor& images_NCHW, int64_t img_size);

}  // namespace genvinci
