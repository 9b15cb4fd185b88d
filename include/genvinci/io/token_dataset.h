#pragma once

#include <cstdint>
#include <vector>

#include "genvinci/core/files.h"

namespace genvinci {

// A Hugging Face `.dataset` folder of rank-value tokens, as Geneformer writes: state.json names Arrow stream files with
// a list column `input_ids` (and often `length`). int16 to int64 are accepted.
struct TokenLists {
  std::vector<std::vector<int32_t>> tokens;
};

// DataError ARROW_* (no such column, a null, a token outside [0, vocabulary_size), a `length` that is not the list's),
// MissingFileError.
TokenLists ReadTokenDataset(const fs::path& folder, int64_t vocabulary_size);

// The lengths file that goes with it: a pickle holding a list of integers. DataError LENGTHS_FILE.
std::vector<int64_t> ReadLengths(const fs::path& path);

}  // namespace genvinci
