#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "genvinci/genes/gene_mapping.h"

namespace genvinci {

// Geneformer's rank-value encoding, straight from sparse rows, in float64:
//   value = count / (sum of the counts of the mapped genes) * 10,000 / median
// Tokens of the genes with value > 0, by value descending, ties by ascending token id, cut at `max_tokens`; in a frame
// of <cls> and <eos>, which count among them, where the vocabulary has these. Counts of columns that map to one gene
// are summed first. One object serves one thread.
class RankValueTokenizer {
 public:
  RankValueTokenizer(const GeneMapping& mapping, int64_t max_tokens = 2048, const FrameTokens& frame = {});

  // One profile: counts[i] is the count in column columns[i] (each column at most once). A profile with no mapped count
  // is a DataError (PROFILE_EMPTY) that names `observation`; a count that is negative or not finite is PROFILE_COUNT.
  std::vector<int32_t> Tokenize(std::span<const int32_t> columns, std::span<const float> counts,
                                const std::string& observation);

 private:
  struct Slot {
    int32_t token;
    double median;
  };
  struct Ranked {
    double value;
    int32_t token;
  };
  // Adds the counts up in sums_ and lists in touched_ the slots that have any. Their sum.
  double Collect(std::span<const int32_t> columns, std::span<const float> counts, const std::string& observation);

  int64_t max_tokens_;
  FrameTokens frame_;
  std::vector<int32_t> slot_of_column_;  // -1: not in the vocabulary
  std::vector<Slot> slots_;
  // Scratch; sums_ is all zero between calls.
  std::vector<double> sums_;
  std::vector<int32_t> touched_;
  std::vector<Ranked> ranked_;
};

}  // namespace genvinci
