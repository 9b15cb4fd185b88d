#pragma once

#include <torch/torch.h>

#include <cstdint>

#include "genvinci/genes/profile_tokens.h"
#include "genvinci/tensor/item_draws.h"

namespace genvinci {

struct MaskingOptions {
  double probability = 0.15;
  int64_t first_gene = 0;
  int64_t vocabulary_size = 0;
};

// A batch for masked-token training: each gene's token (from first_gene on: not <pad>, nor V2's <cls> and <eos>) is
// chosen with `probability` (one at least in a profile); of the chosen, 80 % become <mask>, 10 % a random gene's token,
// 10 % stay (Devlin et al. 2018). What happens to a profile depends on its own stream alone.
struct MaskedBatch {
  torch::Tensor tokens_BL;  // as the transformer sees them
  torch::Tensor chosen_BL;  // bool
  torch::Tensor labels_N;   // the true tokens at the chosen positions, row-major
  torch::Tensor ranks_N;    // their positions in their profiles
};
MaskedBatch MaskTokens(const ProfileTokens& profiles, const MaskingOptions& options, ItemDraws& draws);

}  // namespace genvinci
