#include "genvinci/training/masking.h"

#include <algorithm>

#include "genvinci/genes/vocabulary.h"

namespace genvinci {

torch::Tensor PadTokenLists(const std::vector<const std::vector<int32_t>*>& lists) {
  size_t longest = 1;
  for (const auto* list : lists) longest = std::max(longest, list->size());
  torch::Tensor padded_BL =
      torch::full({static_cast<int64_t>(lists.size()), static_cast<int64_t>(longest)}, kPadToken, torch::kInt64);
  for (size_t b = 0; b < lists.size(); ++b)
    std::copy(lists[b]->begin(), lists[b]->end(), padded_BL.data_ptr<int64_t>() + b * longest);
  return padded_BL;
}

MaskedBatch MaskTokens(const torch::Tensor& tokens_BL, double probability, int64_t first_gene, int64_t vocabulary_size,
                       torch::Generator generator) {
  const torch::Tensor is_gene_BL = tokens_BL >= first_gene;
  const torch::Tensor draw_BL = torch::rand(tokens_BL.sizes(), generator).masked_fill(~is_gene_BL, 2);
  torch::Tensor chosen_BL = draw_BL < probability;
  // A loss over nothing would be NaN.
  if (!chosen_BL.any().item<bool>()) chosen_BL.view({-1})[draw_BL.argmin()] = true;
  const torch::Tensor fate_BL = torch::rand(tokens_BL.sizes(), generator);
  const torch::Tensor random_BL =
      torch::randint(first_gene, vocabulary_size, tokens_BL.sizes(), generator, torch::kInt64);
  const torch::Tensor masked_BL = tokens_BL.masked_fill(chosen_BL & (fate_BL < 0.8), kMaskToken);
  const torch::Tensor seen_BL = torch::where(chosen_BL & (fate_BL >= 0.8) & (fate_BL < 0.9), random_BL, masked_BL);
  const torch::Tensor ranks_BL = torch::arange(tokens_BL.size(1)).expand(tokens_BL.sizes());
  return {seen_BL, chosen_BL, tokens_BL.masked_select(chosen_BL), ranks_BL.masked_select(chosen_BL)};
}

}  // namespace genvinci
