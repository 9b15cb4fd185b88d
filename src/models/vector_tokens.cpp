#include "genvinci/models/vector_tokens.h"

namespace genvinci {

VectorTokensImpl::VectorTokensImpl(int64_t vector_dim, int64_t tokens, int64_t context_dim, int64_t time_dim) {
  const int64_t hidden = 2 * context_dim;
  standardise_ = register_module("standardise", Standardise(vector_dim));
  in_ = register_module("in", torch::nn::Linear(vector_dim, hidden));
  offsets_ = register_parameter("offsets", torch::randn({1, tokens, hidden}));
  out_ = register_module("out", torch::nn::Linear(hidden, context_dim));
  time_in_ = register_module("time_in", torch::nn::Linear(vector_dim, time_dim));
  time_out_ = register_module("time_out", torch::nn::Linear(time_dim, time_dim));
}

ConditionTokens VectorTokensImpl::forward(const torch::Tensor& vectors_BV) {
  const torch::Tensor told_BV = standardise_(vectors_BV);
  return {out_(torch::silu(in_(told_BV).unsqueeze(1) + offsets_)), time_out_(torch::silu(time_in_(told_BV)))};
}

}  // namespace genvinci
