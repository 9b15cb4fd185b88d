#pragma once

#include <cstdint>
#include <string>

#include "genvinci/core/options.h"

namespace genvinci {

struct VirtualTissueOptions {
  int64_t seed = 0;
  int64_t sections = 12;  // two a patient; the last patient is the one to test on
  int64_t spots_per_section = 250;
  int64_t patch_px = 64;
  double field_um = 80;
  std::string style = "he";
  double dropout = 0.1;
  double dispersion = 4;

  template <typename Visitor>
  void Fields(Visitor& v) {
    v("seed", seed, "seed of the tissue");
    v("sections", sections, "number of sections, two a patient", Range{2, 1000});
    v("spots_per_section", spots_per_section, "number of spots of a section", Range{1, 1e6});
    v("patch_px", patch_px, "px of a side of a patch", Range{16, 1024});
    v("field_um", field_um, "um of a side of a patch", Range{20, 400});
    v("style", style, "he, dapi or fluorescence", Choices{{"he", "dapi", "fluorescence"}});
    v("dropout", dropout, "probability that a gene is missed in a spot", Range{0, 0.9});
    v("dispersion", dispersion, "size of the negative binomial: variance = mean + mean^2 / size", Range{0.05, 1e6});
  }
};

}  // namespace genvinci
