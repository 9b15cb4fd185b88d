#pragma once

#include <string>

#include "feature_columns.h"
#include "genvinci/io/tenx_matrix.h"
#include "genvinci/technologies/section_reader.h"
#include "vendor_files.h"

// What the readers of spaceranger's outs share, Visium's and Visium HD's.
namespace genvinci {

// scalefactors_json.json; 0: not stated. Factors of images are px of theirs for each px of the full image.
struct SpaceRangerFactors {
  double hires = 0, lowres = 0, registration = 0;
  double fiducial_px = 0, spot_px = 0;       // diameters in px of the full image
  double bin_um = 0, microns_per_pixel = 0;  // Visium HD's
};
// MissingFileError VISIUM_FACTORS when the folder has none; DataError VISIUM_FACTORS for a value that is not above 0.
SpaceRangerFactors ReadFactors(const fs::path& spatial_folder);

// The matrix of `kind` ("auto": filtered, or raw where there is no other; "filtered", "raw", "probe") of `what`
// ("feature_bc_matrix"). MissingFileError MATRIX_MISSING.
fs::path FindSpaceRangerMatrix(const fs::path& folder, const std::string& kind, const std::string& what);
// Adds a matrix's features, probes that spaceranger leaves out less.
void AddFeatures(const TenxMatrix& matrix, FeatureColumns& columns);

// The image to cut patches from, its scale left open: the one of options.images, the full image beside the section, the
// CytAssist's image where positions count its px, or spaceranger's reduced copy, with a warning and a line in
// data.missing. MissingFileError IMAGE_MISSING; DataError SECTION_IMAGE_SIZE when the user's image is not the one that
// spaceranger's reduced copies were made of.
struct SpaceRangerSection {
  std::string name;
  fs::path folder, spatial;  // of the section; of its positions
  bool is_only = true;       // --images may be one file
};
SectionImage ChooseSpaceRangerImage(const PrepareOptions& options, const SpaceRangerSection& section,
                                    const SpaceRangerFactors& factors, SourceData& data);

}  // namespace genvinci
