#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "genvinci/core/files.h"

namespace genvinci {

// Lists of tokens, one behind another: list i is tokens[offsets[i]] to tokens[offsets[i + 1] - 1].
struct TokenLists {
  std::vector<int32_t> tokens;
  std::vector<int64_t> offsets = {0};

  int64_t size() const { return static_cast<int64_t>(offsets.size()) - 1; }
  std::span<const int32_t> operator[](int64_t i) const;
  void Add(std::span<const int32_t> list);
};

// A Hugging Face `.dataset` folder of rank-value tokens, as Geneformer writes: state.json names Arrow stream files with
// a list column `input_ids` (and often `length`). int16 to int64 are accepted.
// DataError ARROW_* (no such column, a null, a token outside [0, vocabulary_size), a `length` that is not the list's),
// MissingFileError.
TokenLists ReadTokenDataset(const fs::path& folder, int64_t vocabulary_size);

// The lengths file that goes with it: a pickle holding a list of integers. DataError LENGTHS_FILE.
std::vector<int64_t> ReadLengths(const fs::path& path);

}  // namespace genvinci
