#include "genvinci/models/aligner.h"

#include <cmath>

#include "genvinci/nn/memory_format.h"
#include "genvinci/tensor/byte_scale.h"
#include "genvinci/tensor/eval_guard.h"

namespace genvinci {
namespace {

// CLIP's: a temperature of 0.07 to start with, of 0.01 at least.
constexpr double kFirstTemperature = 0.07;
constexpr double kLargestScale = 100;
constexpr double kViewTemperature = 0.2;

// Of finding the pairs on the diagonal, both ways.
torch::Tensor PairLoss(const torch::Tensor& logits_BB) {
  const torch::Tensor own_B = torch::arange(logits_BB.size(0), logits_BB.options().dtype(torch::kInt64));
  return (torch::cross_entropy_loss(logits_BB, own_B) + torch::cross_entropy_loss(logits_BB.t(), own_B)) / 2;
}

torch::Tensor UnitRows(const torch::Tensor& x_BE) { return torch::nn::functional::normalize(x_BE); }

}  // namespace

AlignerImpl::AlignerImpl(const AlignerConfig& config) : config_(config) {
  const int64_t dim = config.embedding_dim, features = config.patch_encoder.feature_dim;
  transformer = register_module("transformer", GeneTransformer(config.transformer));
  pooling = register_module("pooling", ProfilePooling(config.transformer.hidden, 2 * dim));
  patch_encoder = register_module("patch_encoder", PatchEncoder(config.patch_encoder));
  image_head = register_module("image_head", torch::nn::Linear(features, dim));
  gene_head = register_module("gene_head", torch::nn::Linear(2 * dim, dim));
  view_in = register_module("view_in", torch::nn::Linear(features, 2 * dim));
  view_out = register_module("view_out", torch::nn::Linear(2 * dim, dim));
  logit_scale = register_parameter("logit_scale", torch::tensor(std::log(1 / kFirstTemperature)));
  UseChannelsLast(*this);
}

torch::Tensor AlignerImpl::Features(const torch::Tensor& images_BCHW) { return patch_encoder(images_BCHW); }

torch::Tensor AlignerImpl::EmbedFeatures(const torch::Tensor& features_BF) { return UnitRows(image_head(features_BF)); }

torch::Tensor AlignerImpl::EmbedProfiles(const torch::Tensor& hidden_BLD, const torch::Tensor& tokens_BL) {
  return UnitRows(gene_head(pooling(hidden_BLD, tokens_BL)));
}

torch::Tensor AlignerImpl::Logits(const torch::Tensor& images_BE, const torch::Tensor& profiles_BE) const {
  return torch::matmul(images_BE, profiles_BE.t()) * logit_scale.exp().clamp_max(kLargestScale);
}

torch::Tensor AlignerImpl::Loss(const torch::Tensor& images_BE, const torch::Tensor& profiles_BE) const {
  return PairLoss(Logits(images_BE, profiles_BE));
}

torch::Tensor AlignerImpl::ViewLoss(const torch::Tensor& one_BF, const torch::Tensor& other_BF) {
  return PairLoss(torch::matmul(EmbedView(one_BF), EmbedView(other_BF).t()) / kViewTemperature);
}

torch::Tensor AlignerImpl::EmbedView(const torch::Tensor& features_BF) {
  return UnitRows(view_out(torch::relu(view_in(features_BF))));
}

torch::Tensor DomainFeatures(Aligner aligner, const torch::Tensor& images_NCHW, int64_t img_size) {
  constexpr int64_t kBatch = 64;
  const torch::NoGradGuard no_grad;
  const EvalGuard eval(*aligner);
  std::vector<torch::Tensor> features;
  for (const torch::Tensor& batch : images_NCHW.split(kBatch)) {
    torch::Tensor images_BCHW = FromByteScale(batch.to(aligner->logit_scale.device()));
    if (images_BCHW.size(2) != img_size) {
      images_BCHW = torch::_upsample_bilinear2d_aa(images_BCHW, {img_size, img_size}, /*align_corners=*/false);
    }
    features.push_back(aligner->Features(images_BCHW).to(torch::kCPU, torch::kFloat64));
  }
  return torch::cat(features);
}

}  // namespace genvinci
