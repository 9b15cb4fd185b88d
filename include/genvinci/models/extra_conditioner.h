#pragma once

#include <torch/torch.h>

#include "genvinci/models/model_options.h"
#include "genvinci/models/vector_tokens.h"

namespace genvinci {

// What a model reads of B observations beside their own profile; undefined where it reads no such thing.
struct ExtraInputs {
  torch::Tensor neighbours_BKE;  // embeddings of the k nearest observations
  torch::Tensor offsets_BK2;     // where they lie from here: x, y in units of the usual distance between neighbours
  torch::Tensor present_BK;      // bool; false: there is no such neighbour, its values are not read
  torch::Tensor vector_BV;       // another embedding of the observation itself

  bool defined() const { return neighbours_BKE.defined() || vector_BV.defined(); }
};

// The extra condition as tokens that stand behind the profile's in the UNet's context, one a neighbour and
// kVectorTokens for the vector, and an addition to its time embedding. Neighbours are a set: their order changes the
// order of the tokens alone.
class ExtraConditionerImpl : public torch::nn::Module {
 public:
  static constexpr int64_t kVectorTokens = 4;

  // config has neighbours or a vector; context_dim and time_dim are the UNet's.
  ExtraConditionerImpl(const ExtraConfig& config, int64_t context_dim, int64_t time_dim);

  ConditionTokens forward(const ExtraInputs& inputs);
  int64_t tokens() const;

 private:
  ConditionTokens Neighbours(const ExtraInputs& inputs);

  ExtraConfig config_;
  Standardise standardise_{nullptr};
  torch::nn::Linear in_{nullptr}, out_{nullptr}, time_{nullptr};
  torch::Tensor absent_;  // the token of a neighbour that is not there
  VectorTokens vector_{nullptr};
};
TORCH_MODULE(ExtraConditioner);

}  // namespace genvinci
