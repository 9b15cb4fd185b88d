#pragma once

#include "genvinci/io/image.h"
#include "genvinci/io/swc.h"

namespace genvinci {

// How a neuron is drawn.
struct MorphologyView {
  int64_t size = 256;       // px of the square image
  double um_per_px = 6;     // one for all cells, so that their sizes compare
  double um_per_unit = 1;   // of the file
  bool is_upright = false;  // y counts towards the pia, which is drawn up; else y counts as rows do
};

struct MorphologyImage {
  Image image;           // channels soma, axon, dendrite, 8 bits
  double share_cut = 0;  // of the neurites' length, as it is seen along z, that lies outside
};

// The neuron seen along z, with its soma's middle (of a neuron without one: of its extent) in the image's. A neurite is
// the hull of the discs at both ends of each segment, at least a px wide, and leaves the soma as wide as it is itself;
// a soma is its discs, its outline filled, or its cylinders, as SwcSoma says. A value is the share of the pixel that is
// covered, by its centre's distance to the edge. Types other than soma and axon count as dendrite. The same points in
// any order give the same bits; so do all processors on which the compiler does not fuse a product with a sum, as only
// sums, products, quotients and square roots are taken, which IEEE 754 fixes.
MorphologyImage DrawMorphology(const Swc& swc, const MorphologyView& view);

}  // namespace genvinci
