#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
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
  std::vector<std::string> unit_notes = {};  // comment lines that speak of a scale or unit
};

// How the points of type 1 stand for a soma.
enum class SwcSoma {
  kNone,
  kPoints,      // discs by themselves; mostly one
  kThreePoint,  // NeuroMorpho's: a middle and two children of it, a radius to either side; a disc
  kOutline,     // a chain that comes back to where it began
  kCylinders,   // anything else: its segments
};

struct SwcFacts {
  SwcSoma soma = SwcSoma::kNone;
  std::vector<size_t> soma_points;  // an outline's from its first on; else in the file's order
  int64_t zero_radii = 0;
  std::array<double, 3> low = {}, high = {};  // the extent of the points
  std::map<int64_t, double> length_of_type;   // of the segments that end in a point of the type, less those in a soma
};
SwcFacts FactsOf(const Swc& swc);

// Lines of `id type x y z radius parent` in any order, ids from anywhere; comments (#), blank lines, tabs and further
// columns are passed over. MissingFileError FILE_MISSING; DataError, with the line where there is one: SWC_FORMAT,
// SWC_EMPTY, SWC_ID (an id twice), SWC_PARENT (one that is not there), SWC_CYCLE, SWC_RADIUS (negative), SWC_RANGE
// (no coordinate is that large). A radius of 0 is accepted.
Swc ReadSwc(const fs::path& path);

}  // namespace genvinci
