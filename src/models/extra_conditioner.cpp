#include "genvinci/models/extra_conditioner.h"

#include <vector>

#include "genvinci/core/error.h"

namespace genvinci {
namespace {

constexpr int64_t kWaves = 4;
constexpr int64_t kOffsetFeatures = 2 + 2 * 2 * kWaves;

// x and y themselves, and sine and cosine of each at wave lengths of 16, 8, 4 and 2 distances.
torch::Tensor OffsetFeatures(const torch::Tensor& offsets_BK2) {
  std::vector<torch::Tensor> features = {offsets_BK2};
  for (int64_t wave = 0; wave < kWaves; ++wave) {
    const torch::Tensor angles = offsets_BK2 * (M_PI / 8 * static_cast<double>(int64_t{1} << wave));
    features.push_back(angles.sin());
    features.push_back(angles.cos());
  }
  return torch::cat(features, -1);
}

}  // namespace

ExtraConditionerImpl::ExtraConditionerImpl(const ExtraConfig& config, int64_t context_dim, int64_t time_dim)
    : config_(config) {
  GENVINCI_CHECK(config.Any(), "an extra condition of nothing");
  if (config.neighbours > 0) {
    const int64_t hidden = 2 * context_dim;
    standardise_ = register_module("standardise", Standardise(config.neighbour_dim));
    in_ = register_module("in", torch::nn::Linear(config.neighbour_dim + kOffsetFeatures, hidden));
    out_ = register_module("out", torch::nn::Linear(hidden, context_dim));
    absent_ = register_parameter("absent", 0.02 * torch::randn({context_dim}));
    time_ = register_module("time", torch::nn::Linear(context_dim, time_dim));
  }
  if (config.vector_dim > 0) {
    vector_ = register_module("vector", VectorTokens(config.vector_dim, kVectorTokens, context_dim, time_dim));
  }
}

int64_t ExtraConditionerImpl::tokens() const { return config_.neighbours + (vector_ ? kVectorTokens : 0); }

ConditionTokens ExtraConditionerImpl::forward(const ExtraInputs& inputs) {
  if (!vector_) return Neighbours(inputs);
  const ConditionTokens vector = vector_(inputs.vector_BV);
  if (config_.neighbours == 0) return vector;
  const ConditionTokens neighbours = Neighbours(inputs);
  return {torch::cat({neighbours.tokens_BLD, vector.tokens_BLD}, 1), neighbours.time_BT + vector.time_BT};
}

ConditionTokens ExtraConditionerImpl::Neighbours(const ExtraInputs& inputs) {
  GENVINCI_CHECK(inputs.neighbours_BKE.size(1) == config_.neighbours, "{} neighbours, the model has {}",
                 inputs.neighbours_BKE.size(1), config_.neighbours);
  const torch::Tensor neighbours = standardise_(inputs.neighbours_BKE.flatten(0, 1)).view_as(inputs.neighbours_BKE);
  const torch::Tensor features = torch::cat({neighbours, OffsetFeatures(inputs.offsets_BK2)}, -1);
  const torch::Tensor there_BK1 = inputs.present_BK.unsqueeze(-1);
  const torch::Tensor tokens_BKD = torch::where(there_BK1, out_(torch::silu(in_(features))), absent_);
  return {tokens_BKD, time_(tokens_BKD.mean(1))};
}

}  // namespace genvinci
