#include "genvinci/models/conditioner.h"

#include <algorithm>

#include "genvinci/core/error.h"
#include "genvinci/models/profile_pooling.h"
#include "genvinci/nn/attention.h"
#include "genvinci/nn/registry.h"
#include "genvinci/nn/sync_batch_norm.h"

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
    channel_norm_ = RegisterAt(*this, "channel_mapper.1", SyncBatchNorm(tokens));
    dim_linear_ = RegisterAt(*this, "dim_mapper.0", torch::nn::Linear(transformer.hidden, config.context_dim));
    dim_norm_ = RegisterAt(*this, "dim_mapper.1", SyncBatchNorm(tokens));
    // Spelt as in the reference's checkpoints.
    time_half_ = RegisterAt(*this, "time_embed_condtion.0", MakeConv1d(tokens, half));
    time_one_ = RegisterAt(*this, "time_embed_condtion.1", MakeConv1d(half, 1));
    time_linear_ = RegisterAt(*this, "time_embed_condtion.2", torch::nn::Linear(config.context_dim, config.time_dim));
    if (config.semantic_dim == 0) return;
    semantic_one_ = RegisterAt(*this, "mapping.0", MakeConv1d(tokens, 1));
    semantic_linear_ = RegisterAt(*this, "mapping.1", torch::nn::Linear(config.context_dim, config.semantic_dim));
  }

  Condition forward(const EncodedProfiles& profiles) override {
    const torch::Tensor& hidden_BLD = profiles.hidden_BLD;
    GENVINCI_CHECK(hidden_BLD.size(1) == max_tokens_, "{} positions, the conditioner needs all {}", hidden_BLD.size(1),
                   max_tokens_);
    const torch::Tensor mapped = torch::relu(channel_norm_(channel_conv_(hidden_BLD)));
    const torch::Tensor context = torch::relu(dim_norm_(dim_linear_(mapped)));
    const torch::Tensor semantic =
        semantic_one_ ? semantic_linear_(semantic_one_(context)).squeeze(1) : torch::Tensor();
    return {context, time_linear_(time_one_(time_half_(context))).squeeze(1), semantic};
  }

  bool needs_full_length() const override { return true; }

 private:
  int64_t max_tokens_;
  torch::nn::Conv1d channel_conv_{nullptr}, time_half_{nullptr}, time_one_{nullptr}, semantic_one_{nullptr};
  SyncBatchNorm channel_norm_{nullptr}, dim_norm_{nullptr};
  torch::nn::Linear dim_linear_{nullptr}, time_linear_{nullptr}, semantic_linear_{nullptr};
};

// Learned queries attend over the positions that hold a gene; so does the time path. Padding changes nothing.
class PooledConditioner : public ConditionerImpl {
 public:
  PooledConditioner(const ConditionerConfig& config, const GeneTransformerConfig& transformer)
      : heads_(transformer.heads) {
    const int64_t hidden = transformer.hidden, dim = config.context_dim;
    queries_ = register_parameter("queries", torch::randn({1, config.context_tokens, hidden}));
    // No bias: softmax takes away what is added to all positions.
    key_ = register_module("key", torch::nn::Linear(torch::nn::LinearOptions(hidden, hidden).bias(false)));
    value_ = register_module("value", torch::nn::Linear(hidden, hidden));
    standardise_ = register_module("standardise", Standardise(config.context_tokens * hidden));
    attention_norm_ = register_module("attention_norm", torch::nn::LayerNorm(Width(hidden)));
    project_ = register_module("project", torch::nn::Linear(hidden, dim));
    mlp_norm_ = register_module("mlp_norm", torch::nn::LayerNorm(Width(dim)));
    mlp_in_ = register_module("mlp_in", torch::nn::Linear(dim, 2 * dim));
    mlp_out_ = register_module("mlp_out", torch::nn::Linear(2 * dim, dim));
    time_ = register_module("time", ProfilePooling(hidden, config.time_dim));
  }

  Condition forward(const EncodedProfiles& profiles) override {
    return {Context(profiles.hidden_BLD, profiles.tokens_BL), time_(profiles.hidden_BLD, profiles.tokens_BL)};
  }

  bool needs_full_length() const override { return false; }

 private:
  static torch::nn::LayerNormOptions Width(int64_t width) { return torch::nn::LayerNormOptions({width}); }

  torch::Tensor Context(const torch::Tensor& hidden_BLD, const torch::Tensor& tokens_BL) {
    const torch::Tensor queries_BQD = queries_.expand({hidden_BLD.size(0), -1, -1});
    const AttentionSettings settings{heads_, PaddingMask(tokens_BL, hidden_BLD.scalar_type()), 0.0};
    const torch::Tensor pooled = Attend(queries_BQD, key_(hidden_BLD), value_(hidden_BLD), settings);
    const torch::Tensor told_BQD = standardise_(pooled.flatten(1)).view_as(pooled);
    const torch::Tensor context = project_(attention_norm_(told_BQD + queries_));
    return context + mlp_out_(torch::silu(mlp_in_(mlp_norm_(context))));
  }

  int64_t heads_;
  torch::Tensor queries_;
  torch::nn::Linear key_{nullptr}, value_{nullptr}, project_{nullptr}, mlp_in_{nullptr}, mlp_out_{nullptr};
  torch::nn::LayerNorm attention_norm_{nullptr}, mlp_norm_{nullptr};
  Standardise standardise_{nullptr};
  ProfilePooling time_{nullptr};
};

// Any embedding in place of genes.
class VectorConditioner : public ConditionerImpl {
 public:
  explicit VectorConditioner(const ConditionerConfig& config) {
    if (config.vector_dim == 0)
      throw ConfigError("CONDITIONER_VECTOR", "conditioner.kind vector needs a vector: give one with --vector");
    vector_ = register_module(
        "vector", VectorTokens(config.vector_dim, config.context_tokens, config.context_dim, config.time_dim));
  }

  Condition forward(const EncodedProfiles& profiles) override {
    const ConditionTokens tokens = vector_(profiles.vector_BV);
    return {tokens.tokens_BLD, tokens.time_BT};
  }

  bool needs_full_length() const override { return false; }

 private:
  VectorTokens vector_{nullptr};
};

}  // namespace

Condition Condition::Rows(const torch::Tensor& rows_B) const {
  const auto pick = [&](const torch::Tensor& values) {
    return values.defined() ? values.index_select(0, rows_B) : values;
  };
  return {pick(context_BLD), pick(time_BT), pick(semantic_BE), {pick(second.tokens_BLD), pick(second.time_BT)}};
}

Condition Condition::Cat(const std::vector<Condition>& conditions) {
  const auto join = [&](auto&& member) {
    std::vector<torch::Tensor> parts;
    for (const Condition& condition : conditions) parts.push_back(member(condition));
    return parts.front().defined() ? torch::cat(parts) : torch::Tensor();
  };
  return {join([](const Condition& c) { return c.context_BLD; }),
          join([](const Condition& c) { return c.time_BT; }),
          {},
          {join([](const Condition& c) { return c.second.tokens_BLD; }),
           join([](const Condition& c) { return c.second.time_BT; })}};
}

std::shared_ptr<ConditionerImpl> MakeConditioner(const ConditionerConfig& config,
                                                 const GeneTransformerConfig& transformer) {
  if (config.kind == "genvinci") return std::make_shared<GenvinciConditioner>(config, transformer);
  if (config.kind == "pooled") return std::make_shared<PooledConditioner>(config, transformer);
  if (config.kind == "vector") return std::make_shared<VectorConditioner>(config);
  throw ConfigError("CONDITIONER_KIND", "conditioner.kind: '{}' is unknown: use genvinci, pooled or vector",
                    config.kind);
}

}  // namespace genvinci
