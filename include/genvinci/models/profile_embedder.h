#pragma once

#include <torch/torch.h>

#include <vector>

#include "genvinci/genes/profile_tokens.h"
#include "genvinci/models/conditioner.h"
#include "genvinci/models/gene_transformer.h"

namespace genvinci {

// Profiles in one batch: padded with 0 to the longest, or to max_tokens where `full` says so; cut at max_tokens.
// (B, L) int64 on the CPU.
torch::Tensor PadTokens(const ProfileTokens& profiles, int64_t max_tokens, bool full);

// A gene transformer and the profiles that it reads.
class ProfileEmbedder {
 public:
  // full_length: profiles are padded to the transformer's max_tokens (Conditioner's needs_full_length).
  ProfileEmbedder(GeneTransformer transformer, ProfileTokens tokens, bool full_length = false);

  const ProfileTokens& tokens() const { return tokens_; }
  GeneTransformer transformer() const { return transformer_; }
  int64_t longest() const;  // tokens of the longest batch
  torch::Device device() const { return transformer_->parameters().front().device(); }
  // (B, L) int64 on the CPU.
  torch::Tensor Padded(const std::vector<int64_t>& profiles) const;
  // Tokens and hidden states on the transformer's device.
  EncodedProfiles Encode(const std::vector<int64_t>& profiles) const;

 private:
  GeneTransformer transformer_{nullptr};
  ProfileTokens tokens_;
  bool full_length_ = false;
};

}  // namespace genvinci
