#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "genvinci/data/dataset.h"
#include "genvinci/io/h5ad.h"

namespace genvinci {

// How observations are divided.
struct SplitRules {
  // "patient", "section", "block", "prefix" (of the obs_name) or "obs:COLUMN"; "none": all test, for tissue that a
  // trained model draws.
  std::string kind = "section";
  std::vector<std::string> test_values, val_values;
  double val_fraction = 0;  // share of the training part that validates, as whole blocks
  double block_size = 0;    // side of a block in the unit of x and y, > 0 where blocks are needed
  int64_t seed = 0;
};

// What is known of each observation, in one order.
struct SplitSubjects {
  std::span<const std::string> names, sections, patients;
  std::span<const double> x, y;  // NaN: no position; the observation is then a block of its own
  const DataFrame* obs = nullptr;
};

struct SplitResult {
  std::vector<Split> splits;
  std::vector<bool> by_block;       // held out as part of a block, rather than by a value that the caller named
  std::vector<std::string> blocks;  // "<section>:<column>,<row>"; empty where no block was needed
};

inline constexpr double kBlockTestFraction = 0.2;

// Observations whose value is among test_values test, those among val_values validate, the others train; then
// val_fraction of the training part is taken in blocks, in an order that the seed alone decides. "block" without
// test_values takes a fifth of the observations that way. UsageError SPLIT_VALUE names the values that are there,
// SPLIT_NONE, SPLIT_KIND, SPLIT_VALUE_TWICE; DataError SPLIT_BLOCKS when there are too few blocks, SPLIT_EMPTY without
// training part.
SplitResult AssignSplits(const SplitRules& rules, const SplitSubjects& subjects);

}  // namespace genvinci
