#pragma once

#include <compare>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "genvinci/core/files.h"
#include "genvinci/technologies/prepare_options.h"

// The files of legacy Spatial Transcriptomics; section_reader.h names them.
namespace genvinci {

// Place of a spot on the array.
struct StPosition {
  int64_t x = 0, y = 0;
  auto operator<=>(const StPosition&) const = default;
};

// "10x21" or "10_21"; adjusted places such as "9.98x21.04" are rounded.
std::optional<StPosition> ParseStPosition(std::string_view text);

// The letters a section's name starts with: "C2" is of patient "C"; the whole name when it starts with none.
std::string StPatient(const std::string& section);

struct StSectionFiles {
  std::string name;
  fs::path counts;
  fs::path selection, image, annotation, proportion;  // empty: not there, or not asked for
};

struct StFiles {
  std::string name;  // of the folder
  std::vector<StSectionFiles> sections;
};

// MissingFileError IMAGE_MISSING / SELECTION_MISSING (unless options.no_images) names the sections; UsageError
// ST_SECTION for one in options.sections that is not there; DataError ST_NO_SECTION.
StFiles FindStSections(const PrepareOptions& options);

struct StSelected {
  double pixel_x = 0, pixel_y = 0;
  bool selected = true;
};
std::map<StPosition, StSelected> ReadStSelection(const fs::path& path);

struct StAnnotation {
  std::string patient;  // "" when the table has no patient_id
  std::map<StPosition, std::string> labels;
};
StAnnotation ReadStAnnotation(const fs::path& path);

struct StProportions {
  std::vector<std::string> types;
  std::map<StPosition, std::vector<double>> rows;
};
StProportions ReadStProportions(const fs::path& path);

}  // namespace genvinci
