#pragma once

#include "genvinci/technologies/section_reader.h"

namespace genvinci {

// Whether each section's image is the one that its observations were measured on, the right way round.
//
// DataError PLACEMENT_OUTSIDE when fewer than half of a section's observations lie on its image. For the orientation,
// the image is shrunk to `kPlacementSide` px, and its signal (what is darker than the background of a bright image,
// what is brighter in a dark one) is correlated with where observations are: as it is, flipped, turned and transposed.
// DataError PLACEMENT_ORIENTATION with both correlations when another orientation fits clearly better, unless
// options.keep_orientation. Returns the correlations for the provenance: by section, by orientation.
inline constexpr int64_t kPlacementSide = 512;
Json CheckPlacement(const PrepareOptions& options, const SectionReader& reader);

// Pearson's correlation of the signal with the observations for each orientation, "as it is" first. Public for tests.
struct OrientationScore {
  const char* orientation;
  double correlation;
};
// `is_bright`: tissue is darker than the background, as in transmitted light; else brighter, as in fluorescence, and
// the first channel is looked at alone.
std::vector<OrientationScore> OrientationScores(const Image& thumbnail, bool is_bright,
                                                const std::vector<Point>& centres, double radius);

}  // namespace genvinci
