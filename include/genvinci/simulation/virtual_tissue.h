#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "genvinci/io/image.h"
#include "genvinci/simulation/virtual_tissue_options.h"

namespace genvinci {

// A simulated tissue in which the expression of a spot and its picture have one cause: how much of each cell type the
// spot holds, and how fast its tumour grows. It stands in for real data in the demo and the tests, since here it is
// known what a model can learn.
//
// Composition. A section carries one smooth random field a type. The strongest field at a spot gives the dominant type,
// the next ones its companions; shares are drawn from a Dirichlet distribution around 0.55 to 0.92 for the dominant
// one. Types that may not be neighbours in training (pairs three apart in VirtualCellTypes(), cyclically) are skipped,
// but for about half of the spots of the last patient: these hold such a pair and are `unseen_mixture`.
//
// Counts. Of gene g in a spot with library size L (log-normal, within 1,000 to 10,000):
//   mean = L * sum over types of share * profile[type][g] * patient effect, scaled so that the means sum to L;
//   counts are gamma-Poisson (negative binomial) with variance mean + mean^2 / size; then a gene is missed with
//   probability `dropout`.
// A profile is a background of housekeeping families at the level of their Geneformer median, times a random factor a
// type, plus the type's known markers; proliferation genes follow the spot's own rate in the tumour's share.
//
// Picture. The patch is divided among its types by smooth fields, in proportion to the shares. Each has its own nuclei
// (number, size, shape, chromatin), cytoplasm and matrix: nests of large vesicular nuclei with nucleoli, sheets of
// small dark round ones, spindles along wavy fibres, vacuoles with thin rims, vessels with red cells, eccentric
// clock-face nuclei, smudged debris, foamy cytoplasm. Faster growth makes tumour nuclei larger and adds mitoses. Pixels
// follow Beer-Lambert's law in haematoxylin and eosin whose amount and hue vary with section and patch, so that colour
// alone says little about the type: of 3,000 spots, two patients held out, logistic regression on 8 x 8 x 8 colour
// histograms names 54 % of the dominant types, a CNN of 210,000 weights 95 %. `fluorescence` shows nuclei (DAPI),
// keratin, CD45 and vimentin; `dapi` nuclei alone.

struct VirtualSpot {
  std::string name;  // "S01_3x12"
  std::string section, patient;
  double x = 0, y = 0;                  // centre in px of the whole section; patches do not overlap
  std::string label;                    // the dominant type
  std::vector<double> composition;      // a share a type, sum 1
  double proliferation = 0;             // 0 to 1
  std::vector<int64_t> nuclei_by_type;  // as drawn, whole or in part
  std::vector<int32_t> gene_columns;    // of the counts that are not zero, ascending
  std::vector<float> counts;            // whole numbers
  Image image;
  bool unseen_mixture = false;  // holds a pair of types that no other patient has in one spot
};

std::vector<std::string> VirtualCellTypes();
// Ensembl ids in the order of the columns, and their symbols. All are in Geneformer's vocabulary.
std::vector<std::string> VirtualGenes();
std::vector<std::string> VirtualGeneSymbols();
// Columns of the marker genes of a type.
std::vector<int32_t> VirtualMarkers(int64_t type);
std::vector<std::string> VirtualChannels(const std::string& style);
// True where no patient but the last has both types in one spot.
bool IsHeldOutPair(int64_t type, int64_t other);

// Spots are computed when asked for, each from (options, i) alone, so order and threads do not matter. Thread-safe.
class VirtualTissue {
 public:
  explicit VirtualTissue(const VirtualTissueOptions& options);  // ConfigError for an unknown style
  ~VirtualTissue();
  VirtualTissue(const VirtualTissue&) = delete;
  VirtualTissue& operator=(const VirtualTissue&) = delete;

  int64_t size() const;
  double um_per_px() const;
  // px of the section's side, and the distance of neighbouring spots.
  int64_t section_px() const;
  double pitch_px() const;
  std::vector<std::string> section_names() const;
  std::string test_patient() const;

  VirtualSpot Spot(int64_t i) const;
  // Without `image` and `nuclei_by_type`: a fraction of the time.
  VirtualSpot Profile(int64_t i) const;
  // The mean of each gene's count before drop-out.
  std::vector<double> MeanCounts(int64_t i) const;

 private:
  struct State;
  std::unique_ptr<const State> state_;
};

}  // namespace genvinci
