#include "genvinci/training/feeds/masking.h"

#include <algorithm>
#include <span>
#include <vector>

#include "genvinci/genes/vocabulary.h"
#include "genvinci/models/profile_embedder.h"

namespace genvinci {
namespace {

// Positions of the chosen tokens, in order.
std::vector<int64_t> Choose(std::span<const int32_t> list, const MaskingOptions& options, ItemDraws& draws,
                            int64_t item) {
  std::vector<int64_t> chosen;
  int64_t nearest = -1;  // the one to be chosen next, where none was
  double least = 2;
  for (size_t i = 0; i < list.size(); ++i) {
    if (list[i] < options.first_gene) continue;
    const double draw = draws.One(item);
    if (draw < options.probability) chosen.push_back(static_cast<int64_t>(i));
    if (draw < least) nearest = static_cast<int64_t>(i);
    least = std::min(least, draw);
  }
  if (chosen.empty() && nearest >= 0) chosen.push_back(nearest);
  return chosen;
}

// What stands in the place of a chosen token.
int64_t Replacement(int64_t token, const MaskingOptions& options, ItemDraws& draws, int64_t item) {
  const double fate = draws.One(item);
  if (fate < 0.8) return kMaskToken;
  if (fate >= 0.9) return token;
  const auto genes = static_cast<double>(options.vocabulary_size - options.first_gene);
  return options.first_gene + static_cast<int64_t>(draws.One(item) * genes);
}

}  // namespace

MaskedBatch MaskTokens(const ProfileTokens& profiles, const MaskingOptions& options, ItemDraws& draws) {
  torch::Tensor tokens_BL = PadTokens(profiles, std::max<int64_t>(profiles.longest(), 1), /*full=*/false);
  torch::Tensor chosen_BL = torch::zeros(tokens_BL.sizes(), torch::kBool);
  auto tokens = tokens_BL.accessor<int64_t, 2>();
  auto chosen = chosen_BL.accessor<bool, 2>();
  std::vector<int64_t> labels, ranks;
  for (int64_t item = 0; item < tokens_BL.size(0); ++item) {
    for (const int64_t at : Choose(profiles[item], options, draws, item)) {
      labels.push_back(tokens[item][at]);
      ranks.push_back(at);
      chosen[item][at] = true;
      tokens[item][at] = Replacement(tokens[item][at], options, draws, item);
    }
  }
  return {tokens_BL, chosen_BL, torch::tensor(labels, torch::kInt64), torch::tensor(ranks, torch::kInt64)};
}

}  // namespace genvinci
