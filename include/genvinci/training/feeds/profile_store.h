#pragma once

#include <torch/torch.h>

#include <vector>

#include "genvinci/models/profile_embedder.h"
#include "genvinci/tensor/item_draws.h"

namespace genvinci {

// The profiles that a network is trained or validated on. When the gene transformer is frozen, the hidden states are
// computed once and held in memory, so that no step runs it again; where they do not fit, each step runs it without
// gradients, and a warning says so.
class ProfileStore {
 public:
  // is_frozen: the transformer does not change while the store lives.
  ProfileStore(ProfileEmbedder profiles, bool is_frozen);

  bool is_cached() const { return hidden_NLD_.defined(); }
  EncodedProfiles Encode(const std::vector<int64_t>& items);
  // The same with a share of each profile's tokens left out; one stays at least. Before the transformer, or, when it
  // is frozen, after it: tokens_BL then lacks them.
  EncodedProfiles EncodeDropped(const std::vector<int64_t>& items, double share, ItemDraws& draws);

 private:
  torch::Tensor Hidden(const std::vector<int64_t>& items, const torch::Tensor& tokens_BL);
  void Fill(int64_t length);

  ProfileEmbedder profiles_;
  bool is_frozen_;
  torch::Tensor hidden_NLD_;  // on the CPU; L: the longest profile's
};

}  // namespace genvinci
