#pragma once

#include <torch/torch.h>

#include "genvinci/models/profile_pooling.h"

namespace genvinci {

// A condition of several tokens and an addition to the UNet's time embedding.
struct ConditionTokens {
  torch::Tensor tokens_BLD;
  torch::Tensor time_BT;
};

// Any embedding of an observation (of scGPT or UCE, pathway scores) as context tokens: standardised over observations,
// then one perceptron for all tokens, each with its own learned offset in the hidden layer.
class VectorTokensImpl : public torch::nn::Module {
 public:
  VectorTokensImpl(int64_t vector_dim, int64_t tokens, int64_t context_dim, int64_t time_dim);
  ConditionTokens forward(const torch::Tensor& vectors_BV);

 private:
  Standardise standardise_{nullptr};
  torch::Tensor offsets_;
  torch::nn::Linear in_{nullptr}, out_{nullptr}, time_in_{nullptr}, time_out_{nullptr};
};
TORCH_MODULE(VectorTokens);

}  // namespace genvinci
