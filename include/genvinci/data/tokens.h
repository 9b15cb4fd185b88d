#pragma once

#include <cstdint>

#include "genvinci/data/dataset.h"
#include "genvinci/genes/gene_mapping.h"
#include "genvinci/genes/profile_tokens.h"
#include "genvinci/genes/vocabulary.h"

namespace genvinci {

// The rank-value tokens of every observation of a dataset, in its order.
struct TokenizedDataset {
  ProfileTokens tokens;
  Coverage coverage;
};

// Kept in a file, from which they are mapped, under <dataset>/cache/, keyed by the fingerprints of dataset and
// vocabulary and by max_tokens; a stale or damaged file there is computed anew. A folder that cannot be written means
// no cache, with a log line. DataError: GENES_UNMATCHED; PROFILE_EMPTY names the observation without a known gene.
TokenizedDataset TokenizeDataset(const Dataset& dataset, const Vocabulary& vocabulary, int64_t max_tokens);

}  // namespace genvinci
