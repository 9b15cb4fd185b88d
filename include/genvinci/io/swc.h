#pragma once

#include <cstdint>
#include <vector>

#include "genvinci/core/files.h"

namespace genvinci {

// SWC's kinds of points; others (custom, undefined, unspecified neurites) have larger numbers or 0.
inline constexpr int64_t kSwcSoma = 1, kSwcAxon = 2, kSwcBasal = 3, kSwcApical = 4;

struct SwcPoint {
  int64_t type = 0;
  double x = 0, y = 0, z = 0, radius = 0;  // in the file's unit, which it does not state; mostly um
  int64_t parent = -1;                     // index among the points; -1: a root
};

// A traced neuron (Stockley et al. 1993): trees of points, in the file's order. There may be several roots.
struct Swc {
  std::vector<SwcPoint> points;
  int64_t roots = 0;
};

// Lines of `id type x y z radius parent` in any order, ids from anywhere; comments (#), blank lines, tabs and further
// columns are passed over. MissingFileError FILE_MISSING; DataError, with the line where there is one: SWC_FORMAT,
// SWC_EMPTY, SWC_ID (an id twice), SWC_PARENT (one that is not there), SWC_CYCLE, SWC_RADIUS (negative).
Swc ReadSwc(const fs::path& path);

}  // namespace genvinci
