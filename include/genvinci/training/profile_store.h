#pragma once

#include <torch/torch.h>

#include <vector>

#include "genvinci/diffusion/pipeline.h"

namespace genvinci {

// The profiles that a pipeline is trained or validated on. When its gene transformer is frozen, the hidden states are
// computed once and held in memory, so that no step runs it again; where they do not fit, each step runs it without
// gradients, and a warning says so.
class ProfileStore {
 public:
  // tokens: of each profile, not padded. A frozen transformer must not change while the store lives.
  ProfileStore(Pipeline pipeline, std::vector<std::vector<int32_t>> tokens, bool frozen);

  bool is_cached() const { return hidden_NLD_.defined(); }
  // Conditions of the profiles at `items`.
  Condition Encode(const std::vector<int64_t>& items);
  // The same with a share of each profile's tokens left out; one stays at least. Before the transformer, or, when it
  // is frozen, before the pooling.
  Condition EncodeDropped(const std::vector<int64_t>& items, double share, torch::Generator generator);

 private:
  torch::Tensor Tokens(const std::vector<int64_t>& items);
  torch::Tensor Hidden(const std::vector<int64_t>& items, const torch::Tensor& tokens_BL);
  void Fill(int64_t length);

  Pipeline pipeline_;
  std::vector<std::vector<int32_t>> tokens_;
  bool frozen_;
  torch::Tensor hidden_NLD_;  // on the CPU; L: the longest profile's
};

}  // namespace genvinci
