#include "genvinci/genes/tokenizer.h"

#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "genvinci/core/error.h"

namespace genvinci {
namespace {

constexpr double kTargetSum = 10'000;

}  // namespace

RankValueTokenizer::RankValueTokenizer(const GeneMapping& mapping, int64_t max_tokens, const FrameTokens& frame)
    : max_tokens_(max_tokens), frame_(frame) {
  GENVINCI_CHECK(max_tokens > (frame.any() ? 2 : 0), "max_tokens is {}", max_tokens);
  std::unordered_map<int32_t, int32_t> slot_of_token;
  for (const Vocabulary::Gene* gene : mapping.gene_of_column) {
    if (!gene) {
      slot_of_column_.push_back(-1);
      continue;
    }
    const auto [found, is_new] = slot_of_token.emplace(gene->token, static_cast<int32_t>(slots_.size()));
    if (is_new) slots_.push_back({gene->token, gene->median});
    slot_of_column_.push_back(found->second);
  }
  sums_.assign(slots_.size(), 0.0);
}

double RankValueTokenizer::Collect(std::span<const int32_t> columns, std::span<const float> counts,
                                   const std::string& observation) {
  double total = 0;
  size_t bad = columns.size();
  for (size_t i = 0; i < columns.size(); ++i) {
    GENVINCI_CHECK(columns[i] >= 0 && static_cast<size_t>(columns[i]) < slot_of_column_.size(), "column {} of {}",
                   columns[i], slot_of_column_.size());
    if (!std::isfinite(counts[i]) || counts[i] < 0) bad = i;
    const int32_t slot = slot_of_column_[columns[i]];
    if (slot < 0 || counts[i] == 0 || bad != columns.size()) continue;
    if (sums_[slot] == 0) touched_.push_back(slot);
    sums_[slot] += counts[i];
    total += counts[i];
  }
  if (bad != columns.size()) {
    for (const int32_t slot : touched_) sums_[slot] = 0;
    throw DataError("PROFILE_COUNT", "{}: the count in column {} is {}: raw counts are wanted", observation,
                    columns[bad], counts[bad]);
  }
  return total;
}

std::vector<int32_t> RankValueTokenizer::Tokenize(std::span<const int32_t> columns, std::span<const float> counts,
                                                  const std::string& observation) {
  GENVINCI_CHECK(columns.size() == counts.size(), "{} columns and {} counts", columns.size(), counts.size());
  touched_.clear();
  ranked_.clear();
  const double total = Collect(columns, counts, observation);
  if (touched_.empty()) {
    throw DataError("PROFILE_EMPTY", "{}: no count of a gene in the vocabulary: leave it out (--min_counts)",
                    observation);
  }
  for (const int32_t slot : touched_) {
    ranked_.push_back({sums_[slot] / total * kTargetSum / slots_[slot].median, slots_[slot].token});
    sums_[slot] = 0;
  }
  const size_t kept = std::min<size_t>(ranked_.size(), max_tokens_ - (frame_.any() ? 2 : 0));
  std::partial_sort(ranked_.begin(), ranked_.begin() + kept, ranked_.end(), [](const Ranked& a, const Ranked& b) {
    return a.value != b.value ? a.value > b.value : a.token < b.token;
  });
  std::vector<int32_t> tokens;
  tokens.reserve(kept + 2);
  if (frame_.any()) tokens.push_back(frame_.cls);
  for (size_t i = 0; i < kept; ++i) tokens.push_back(ranked_[i].token);
  if (frame_.any()) tokens.push_back(frame_.eos);
  return tokens;
}

}  // namespace genvinci
