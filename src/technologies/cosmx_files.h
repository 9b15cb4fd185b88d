#pragma once

#include <map>
#include <string>
#include <vector>

#include "genvinci/core/files.h"
#include "genvinci/technologies/section.h"

// The files of a CosMx slide, of the lung release of 2022 and of AtoMx's export.
namespace genvinci {

struct CosmxFiles {
  std::string slide;
  fs::path counts, metadata, fov_positions;  // fov_positions: empty where there are none
  std::map<int64_t, fs::path> images = {};   // by FOV; empty where none are there or asked for
  std::map<int64_t, fs::path> labels = {};   // CellLabels by FOV
};

bool IsCosmx(const fs::path& folder);
// `images`: the user's folder, or empty. MissingFileError COSMX_COUNTS, COSMX_METADATA.
CosmxFiles FindCosmxFiles(const std::string& slide, const fs::path& folder, const fs::path& images);
// "Lung12" for "Lung12-Flat_files_and_images".
std::string CosmxSlideName(const std::string& folder);

// A cell's row of the metadata.
struct CosmxCell {
  int64_t fov = 0, cell = 0;
  Point local, global;               // px; NaN: not stated
  double area_px = 0, area_um2 = 0;  // 0: not stated
  std::string label = {}, patient = {};
};
struct CosmxMetadata {
  std::map<std::pair<int64_t, int64_t>, CosmxCell> cells;
  bool has_labels = false;
};
CosmxMetadata ReadCosmxMetadata(const fs::path& path);

// How local positions lie in an FOV's image: row = y, or height - y where y counts upwards.
// DataError COSMX_ORIENTATION when global and local positions do not tell it.
bool IsLocalYUp(const CosmxMetadata& metadata, const fs::path& path);
// From the FOVs' places in px and mm, else from the cells' areas in px and um2, else the lung release's (whose y counts
// upwards) 0.18. DataError COSMX_SCALE where two of them disagree or none is there.
double CosmxUmPerPx(const CosmxFiles& files, const CosmxMetadata& metadata, bool is_y_up);

}  // namespace genvinci
