#pragma once

#include <cstdint>
#include <vector>

#include "genvinci/data/dataset.h"

namespace genvinci {

// The nearest observations of each observation in its own section.
struct Neighbours {
  int64_t count = 0;           // k
  std::vector<int64_t> index;  // (observations, k), nearest first; -1 where the section has no more
  // (observations, k, 2): x and y from the observation to its neighbour, in units of the section's median distance
  // between nearest neighbours; 0 where there is none.
  std::vector<float> offsets;
};

// By obsm["spatial"] and obs["section"] (without that column all are one section). Observations at equal places are
// neighbours like any others. DataError NEIGHBOURS_POSITIONS where the dataset has no positions or one is not finite.
Neighbours FindNeighbours(const Dataset& dataset, int64_t count);

// The same of places: x, y and the section's name of each.
Neighbours FindNeighbours(const std::vector<double>& x, const std::vector<double>& y,
                          const std::vector<std::string>& sections, int64_t count);

}  // namespace genvinci
