#pragma once

#include <torch/torch.h>

#include <memory>
#include <vector>

#include "genvinci/core/options.h"

namespace genvinci {

// ViT (Dosovitskiy et al. 2021), pre-norm, exact GELU, LayerNorm eps 1e-6, class token; the defaults are the image
// encoder of BiomedCLIP (ViT-B/16, projected to 512).
struct VisionTransformerConfig {
  int64_t img_size = 224;
  int64_t patch_size = 16;
  int64_t channels = 3;
  int64_t hidden = 768;
  int64_t layers = 12;
  int64_t heads = 12;
  int64_t feed_forward = 3072;
  int64_t projection = 512;  // 0: none

  template <typename Visitor>
  void Fields(Visitor& v) {
    v("img_size", img_size, "px of the images", Range{1, 65536});
    v("patch_size", patch_size, "px of a patch", Range{1, 65536});
    v("channels", channels, "image channels", Range{1, 64});
    v("hidden", hidden, "width", Range{1, 65536});
    v("layers", layers, "number of layers", Range{1, 512});
    v("heads", heads, "attention heads", Range{1, 1024});
    v("feed_forward", feed_forward, "width of the feed-forward part", Range{1, 262144});
    v("projection", projection, "width of the projection behind the class token, 0: none", Range{0, 65536});
  }
};

class VisionLayerImpl;

// Parameters are called as in timm's VisionTransformer inside open_clip's TimmModel, less "visual.": trunk.cls_token,
// trunk.blocks.0.attn.qkv.weight, ..., trunk.norm.bias, head.proj.weight.
class VisionTransformerImpl : public torch::nn::Module {
 public:
  explicit VisionTransformerImpl(const VisionTransformerConfig& config);

  // images_BCHW already normalised, img_size px. The class token's features behind the last LayerNorm, projected where
  // there is a projection; not normalised: (B, projection or hidden).
  torch::Tensor forward(const torch::Tensor& images_BCHW);

  const VisionTransformerConfig& config() const { return config_; }

 private:
  VisionTransformerConfig config_;
  torch::nn::Conv2d patches_{nullptr};
  torch::Tensor class_token_, positions_;
  std::vector<std::shared_ptr<VisionLayerImpl>> layers_;
  torch::nn::LayerNorm norm_{nullptr};
  torch::nn::Linear projection_{nullptr};
};
TORCH_MODULE(VisionTransformer);

}  // namespace genvinci
