#include "genvinci/models/profile_pooling.h"

#include "genvinci/nn/attention.h"

namespace genvinci {
namespace {

// Profiles pooled from an untrained or hardly trained transformer differ by less than a thousandth.
constexpr double kStatisticsEps = 1e-9;

}  // namespace

StandardiseImpl::StandardiseImpl(int64_t width) {
  statistics_ = register_module("statistics",
                                SyncBatchNorm(torch::nn::BatchNorm1dOptions(width).affine(false).eps(kStatisticsEps)));
  statistics_->Standardise();
}

torch::Tensor StandardiseImpl::forward(const torch::Tensor& values_BF) { return statistics_(values_BF); }

ProfilePoolingImpl::ProfilePoolingImpl(int64_t hidden, int64_t out) {
  // No bias: softmax takes away what is added to all positions.
  score_ = register_module("score", torch::nn::Linear(torch::nn::LinearOptions(hidden, 1).bias(false)));
  standardise_ = register_module("standardise", Standardise(2 * hidden));
  in_ = register_module("in", torch::nn::Linear(2 * hidden, out));
  out_ = register_module("out", torch::nn::Linear(out, out));
}

torch::Tensor ProfilePoolingImpl::forward(const torch::Tensor& hidden_BLD, const torch::Tensor& tokens_BL) {
  const torch::Tensor mask_B1L = PaddingMask(tokens_BL, hidden_BLD.scalar_type()).squeeze(1);
  const torch::Tensor real_B1L = (tokens_BL != 0).to(hidden_BLD.scalar_type()).unsqueeze(1);
  const torch::Tensor share_B1L = real_B1L / real_B1L.sum(2, /*keepdim=*/true).clamp_min(1);
  const torch::Tensor scores_B1L = score_(hidden_BLD).transpose(1, 2) + mask_B1L;
  const torch::Tensor weights_B2L = torch::cat({share_B1L, scores_B1L.softmax(2)}, 1);
  const torch::Tensor pooled_BF = torch::matmul(weights_B2L, hidden_BLD).flatten(1);
  return out_(torch::silu(in_(standardise_(pooled_BF))));
}

}  // namespace genvinci
