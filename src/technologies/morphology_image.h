#pragma once

#include "genvinci/io/image.h"
#include "genvinci/io/swc.h"

namespace genvinci {

// How a neuron is drawn.
struct MorphologyView {
  int64_t size = 256;       // px of the square image
  double um_per_px = 4;     // one for all cells, so that their sizes compare
  double um_per_unit = 1;   // of the file
  bool is_upright = false;  // y counts towards the pia, which is drawn up; else y counts as rows do
};

struct MorphologyImage {
  Image image;           // channels soma, axon, dendrite, 8 bits
  double share_cut = 0;  // of the neurites' length that lies outside
};

// The neuron seen along z, with its soma's middle (of a neuron without one: of its extent) in the image's. A value is
// the share of the pixel within a neurite, by the distance to the tapering segment's edge; neurites are drawn at least
// a px wide. Types other than soma and axon count as dendrite. The same points give the same bits, in any order.
MorphologyImage DrawMorphology(const Swc& swc, const MorphologyView& view);

}  // namespace genvinci
