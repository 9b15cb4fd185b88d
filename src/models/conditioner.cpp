#include "genvinci/models/conditioner.h"

#include <algorithm>

#include "genvinci/core/error.h"
#include "genvinci/nn/attention.h"
#include "genvinci/nn/registry.h"

namespace genvinci {
namespace {

torch::nn::Conv1d MakeConv1d(int64_t in, int64_t out) {
  return torch::nn::Conv1d(torch::nn::Conv1dOptions(in, out, 1));
}

// The reference's: convolutions over the position axis, so every position counts, padding too.
class GenvinciConditioner : public ConditionerImpl {
 public:
  GenvinciConditioner(const ConditionerConfig& config, const GeneTransformerConfig& transformer)
      : max_tokens_(transformer.max_tokens) {
    const int64_t tokens = config.context_tokens;
    const int64_t half = std::max<int64_t>(1, tokens / 2);
    channel_conv_ = RegisterAt(*this, "channel_mapper.0", MakeConv1d(transformer.max_tokens, tokens));
    channel_norm_ = RegisterAt(*this, "channel_mapper.1", torch::nn::BatchNorm1d(tokens));
    dim_linear_ = RegisterAt(*this, "dim_mapper.0", torch::nn::Linear(transformer.hidden, config.context_dim));
    dim_norm_ = RegisterAt(*this, "dim_mapper.1", torch::nn::BatchNorm1d(tokens));
    // Spelt as in the reference's checkpoints.
    time_half_ = RegisterAt(*this, "time_embed_condtion.0", MakeConv1d(tokens, half));
    time_one_ = RegisterAt(*this, "time_embed_condtion.1", MakeConv1d(half, 1));
    time_linear_ = RegisterAt(*this, "time_embed_condtion.2", torch::nn::Linear(config.context_dim, config.time_dim));
  }

  Condition forward(const torch::Tensor& hidden_BLD, const torch::Tensor& tokens_BL) override {
    GENVINCI_CHECK(hidden_BLD.size(1) == max_tokens_, "{} positions, the conditioner needs all {}",
                   hidden_BLD.size(1), max_tokens_);
    const torch::Tensor mapped = torch::relu(channel_norm_(channel_conv_(hidden_BLD)));
    const torch::Tensor context = torch::relu(dim_norm_(dim_linear_(mapped)));
    return {context, time_linear_(time_one_(time_half_(context))).squeeze(1)};
  }

  bool needs_full_length() const override { return true; }

 private:
  int64_t max_tokens_;
  torch::nn::Conv1d channel_conv_{nullptr}, time_half_{nullptr}, time_one_{nullptr};
  torch::nn::BatchNorm1d channel_norm_{nullptr}, dim_norm_{nullptr};
  torch::nn::Linear dim_linear_{nullptr}, time_linear_{nullptr};
};

// Profiles pooled from an untrained or hardly trained transformer differ by less than a thousandth.
constexpr double kStatisticsEps = 1e-9;

// Learned queries attend over the positions that hold a gene; so does the time path. Padding changes nothing.
class PooledConditioner : public ConditionerImpl {
 public:
  PooledConditioner(const ConditionerConfig& config, const GeneTransformerConfig& transformer)
      : heads_(transformer.heads) {
    AddContext(config, transformer.hidden);
    AddTime(config, transformer.hidden);
  }

  Condition forward(const torch::Tensor& hidden_BLD, const torch::Tensor& tokens_BL) override {
    const torch::Tensor mask_B11L = PaddingMask(tokens_BL, hidden_BLD.scalar_type());
    return {Context(hidden_BLD, mask_B11L), Time(hidden_BLD, tokens_BL, mask_B11L)};
  }

  bool needs_full_length() const override { return false; }

 private:
  void AddContext(const ConditionerConfig& config, int64_t hidden) {
    queries_ = register_parameter("queries", torch::randn({1, config.context_tokens, hidden}));
    // No bias here nor in `score`: softmax takes away what is added to all positions.
    key_ = register_module("key", torch::nn::Linear(torch::nn::LinearOptions(hidden, hidden).bias(false)));
    value_ = register_module("value", torch::nn::Linear(hidden, hidden));
    context_statistics_ = AddStatistics("context_statistics", config.context_tokens * hidden);
    attention_norm_ = register_module("attention_norm", torch::nn::LayerNorm(Width(hidden)));
    project_ = register_module("project", torch::nn::Linear(hidden, config.context_dim));
    mlp_norm_ = register_module("mlp_norm", torch::nn::LayerNorm(Width(config.context_dim)));
    mlp_in_ = register_module("mlp_in", torch::nn::Linear(config.context_dim, 2 * config.context_dim));
    mlp_out_ = register_module("mlp_out", torch::nn::Linear(2 * config.context_dim, config.context_dim));
  }

  void AddTime(const ConditionerConfig& config, int64_t hidden) {
    score_ = register_module("score", torch::nn::Linear(torch::nn::LinearOptions(hidden, 1).bias(false)));
    time_statistics_ = AddStatistics("time_statistics", 2 * hidden);
    time_in_ = register_module("time_in", torch::nn::Linear(2 * hidden, config.time_dim));
    time_out_ = register_module("time_out", torch::nn::Linear(config.time_dim, config.time_dim));
  }

  // What all profiles share is many times what tells them apart; without this the UNet learns to ignore the genes.
  torch::nn::BatchNorm1d AddStatistics(const char* name, int64_t width) {
    return register_module(name, torch::nn::BatchNorm1d(torch::nn::BatchNorm1dOptions(width).affine(false).eps(kStatisticsEps)));
  }

  // Zero mean and unit variance over profiles. One profile has no statistics of its own: the running ones serve.
  torch::Tensor Standardise(torch::nn::BatchNorm1d& statistics, const torch::Tensor& values_BF) const {
    if (values_BF.size(0) > 1) return statistics(values_BF);
    return torch::batch_norm(values_BF, {}, {}, statistics->running_mean, statistics->running_var, /*training=*/false,
                             /*momentum=*/0, statistics->options.eps(), /*cudnn_enabled=*/true);
  }

  static torch::nn::LayerNormOptions Width(int64_t width) { return torch::nn::LayerNormOptions({width}); }

  torch::Tensor Context(const torch::Tensor& hidden_BLD, const torch::Tensor& mask_B11L) {
    const torch::Tensor queries_BQD = queries_.expand({hidden_BLD.size(0), -1, -1});
    const AttentionSettings settings{heads_, mask_B11L, 0.0};
    const torch::Tensor pooled = Attend(queries_BQD, key_(hidden_BLD), value_(hidden_BLD), settings);
    const torch::Tensor told_BQD = Standardise(context_statistics_, pooled.flatten(1)).view_as(pooled);
    const torch::Tensor context = project_(attention_norm_(told_BQD + queries_));
    return context + mlp_out_(torch::silu(mlp_in_(mlp_norm_(context))));
  }

  torch::Tensor Time(const torch::Tensor& hidden_BLD, const torch::Tensor& tokens_BL, const torch::Tensor& mask_B11L) {
    const torch::Tensor real_B1L = (tokens_BL != 0).to(hidden_BLD.scalar_type()).unsqueeze(1);
    const torch::Tensor share_B1L = real_B1L / real_B1L.sum(2, /*keepdim=*/true).clamp_min(1);
    const torch::Tensor scores_B1L = score_(hidden_BLD).transpose(1, 2) + mask_B11L.squeeze(1);
    const torch::Tensor weights_B2L = torch::cat({share_B1L, scores_B1L.softmax(2)}, 1);
    const torch::Tensor pooled_BF = torch::matmul(weights_B2L, hidden_BLD).flatten(1);
    return time_out_(torch::silu(time_in_(Standardise(time_statistics_, pooled_BF))));
  }

  int64_t heads_;
  torch::Tensor queries_;
  torch::nn::Linear key_{nullptr}, value_{nullptr}, project_{nullptr}, mlp_in_{nullptr}, mlp_out_{nullptr};
  torch::nn::Linear score_{nullptr}, time_in_{nullptr}, time_out_{nullptr};
  torch::nn::LayerNorm attention_norm_{nullptr}, mlp_norm_{nullptr};
  torch::nn::BatchNorm1d context_statistics_{nullptr}, time_statistics_{nullptr};
};

}  // namespace

std::shared_ptr<ConditionerImpl> MakeConditioner(const ConditionerConfig& config,
                                                 const GeneTransformerConfig& transformer) {
  if (config.kind == "genvinci") return std::make_shared<GenvinciConditioner>(config, transformer);
  if (config.kind == "pooled") return std::make_shared<PooledConditioner>(config, transformer);
  throw ConfigError("CONDITIONER_KIND", "conditioner.kind: '{}' is unknown: use genvinci or pooled", config.kind);
}

}  // namespace genvinci
