#pragma once

#include <torch/torch.h>

#include <vector>

#include "genvinci/models/conditioner.h"
#include "genvinci/models/gene_transformer.h"
#include "genvinci/tensor/item_draws.h"

namespace genvinci {

struct ProfileStoreOptions {
  bool frozen = false;       // the transformer does not change while the store lives
  bool full_length = false;  // profiles are padded to the transformer's max_tokens
};

// The profiles that a network is trained or validated on. When the gene transformer is frozen, the hidden states are
// computed once and held in memory, so that no step runs it again; where they do not fit, each step runs it without
// gradients, and a warning says so.
class ProfileStore {
 public:
  // tokens: of each profile, not padded.
  ProfileStore(GeneTransformer transformer, std::vector<std::vector<int32_t>> tokens,
               const ProfileStoreOptions& options);

  bool is_cached() const { return hidden_NLD_.defined(); }
  EncodedProfiles Encode(const std::vector<int64_t>& items);
  // The same with a share of each profile's tokens left out; one stays at least. Before the transformer, or, when it
  // is frozen, after it: tokens_BL then lacks them.
  EncodedProfiles EncodeDropped(const std::vector<int64_t>& items, double share, ItemDraws& draws);

 private:
  torch::Tensor Tokens(const std::vector<int64_t>& items) const;  // on the CPU
  torch::Device Device() const;
  torch::Tensor Hidden(const std::vector<int64_t>& items, const torch::Tensor& tokens_BL);
  void Fill(int64_t length);

  GeneTransformer transformer_;
  std::vector<std::vector<int32_t>> tokens_;
  ProfileStoreOptions options_;
  torch::Tensor hidden_NLD_;  // on the CPU; L: the longest profile's
};

}  // namespace genvinci
