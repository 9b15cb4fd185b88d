#include "cosmx_files.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "genvinci/core/error.h"
#include "genvinci/core/log.h"
#include "genvinci/core/median.h"
#include "genvinci/core/text.h"
#include "genvinci/io/table.h"
#include "vendor_files.h"

namespace genvinci {
namespace {

constexpr double kLungUmPerPx = 0.18;
constexpr double kCosmxTolerance = 0.03;
const std::vector<std::string> kExprMat = {"exprMat_file.csv", "exprMat_file.csv.gz"};
const std::vector<std::string> kCosmxMetadata = {"metadata_file.csv", "metadata_file.csv.gz"};
const std::vector<std::string> kFovPositions = {"fov_positions_file.csv", "fov_positions_file.csv.gz"};
const std::vector<std::string> kTranscripts = {"tx_file.csv", "tx_file.csv.gz"};
// Raw channels before the rendering in colour.
const std::vector<std::string> kCosmxImageFolders = {"Morphology2D", "CellStatsDir/Morphology2D", "CellComposite"};
const std::vector<std::string> kCosmxLabels = {"cell_type", "celltype", "cellType", "cell_types", "cluster", "leiden"};
const std::vector<std::string> kCosmxPatients = {"patient", "patient_id", "donor", "donor_id", "Patient"};

// The number at the end of CellComposite_F001.jpg or 20230101_S1_F00001.TIF; -1: none.
int64_t FovOf(const fs::path& path) {
  const std::string stem = path.stem().string();
  const size_t at = stem.rfind("_F");
  int64_t fov = -1;
  if (at == std::string::npos || !ParseInteger(std::string_view(stem).substr(at + 2), fov)) return -1;
  return fov;
}

std::map<int64_t, fs::path> ByFov(const fs::path& folder) {
  std::map<int64_t, fs::path> found;
  if (!fs::is_directory(folder)) return found;
  for (const fs::path& entry : SortedEntries(folder)) {
    std::string ending = entry.extension().string();
    std::transform(ending.begin(), ending.end(), ending.begin(), [](unsigned char c) { return std::tolower(c); });
    if (ending != ".jpg" && ending != ".jpeg" && ending != ".png" && ending != ".tif" && ending != ".tiff") continue;
    const int64_t fov = FovOf(entry);
    if (fov < 0) continue;
    if (!found.emplace(fov, entry).second)
      throw DataError("FILE_AMBIGUOUS", "{}: {} is of FOV {} too: keep one image an FOV", entry.string(),
                      found[fov].filename().string(), fov);
  }
  return found;
}

size_t ColumnOf(const TableReader& table, const std::vector<std::string>& names) {
  for (const std::string& name : names)
    if (table.HasColumn(name)) return table.Column(name);
  return std::numeric_limits<size_t>::max();
}

// The difference of two columns' spans as um per px.
double ByFovPositions(const fs::path& path) {
  if (path.empty()) return 0;
  TableReader table(path);
  const size_t px = ColumnOf(table, {"x_global_px"}), mm = ColumnOf(table, {"x_global_mm", "x_mm", "X_mm"});
  const size_t y_px = ColumnOf(table, {"y_global_px"}), y_mm = ColumnOf(table, {"y_global_mm", "y_mm", "Y_mm"});
  if (std::max({px, mm, y_px, y_mm}) >= table.header().size()) return 0;
  std::vector<std::array<double, 4>> fovs;
  std::vector<std::string_view> fields;
  while (table.Next(fields))
    fovs.push_back(
        {table.Number(fields, px), table.Number(fields, mm), table.Number(fields, y_px), table.Number(fields, y_mm)});
  std::vector<double> ratios;
  for (const auto& fov : fovs) {
    const double in_px = std::hypot(fov[0] - fovs[0][0], fov[2] - fovs[0][2]);
    const double in_mm = std::hypot(fov[1] - fovs[0][1], fov[3] - fovs[0][3]);
    if (in_px > 1 && in_mm > 0) ratios.push_back(1000 * in_mm / in_px);
  }
  return ratios.empty() ? 0 : Median(std::move(ratios));
}

double ByAreas(const CosmxMetadata& metadata) {
  std::vector<double> ratios;
  for (const auto& [key, cell] : metadata.cells)
    if (cell.area_px > 0 && cell.area_um2 > 0) ratios.push_back(std::sqrt(cell.area_um2 / cell.area_px));
  return ratios.empty() ? 0 : Median(std::move(ratios));
}

}  // namespace

bool IsCosmx(const fs::path& folder) {
  const auto has = [&](const std::vector<std::string>& names) { return !FindNamed(folder, names).empty(); };
  return (has(kExprMat) || has(kTranscripts)) && (has(kCosmxMetadata) || has(kFovPositions));
}

std::string CosmxSlideName(const std::string& folder) { return folder.substr(0, folder.find("-Flat_files")); }

CosmxFiles FindCosmxFiles(const std::string& slide, const fs::path& folder, const fs::path& images) {
  CosmxFiles files{slide, FindNamed(folder, kExprMat), FindNamed(folder, kCosmxMetadata),
                   FindNamed(folder, kFovPositions)};
  if (files.counts.empty())
    throw MissingFileError("COSMX_COUNTS",
                           "{}: holds transcripts and no <slide>_exprMat_file.csv, the counts of each cell: "
                           "fetch it",
                           folder.string());
  if (files.metadata.empty())
    throw MissingFileError("COSMX_METADATA",
                           "{}: holds no <slide>_metadata_file.csv, which says where cells are: fetch it",
                           folder.string());
  if (!images.empty()) {
    files.images = ByFov(fs::is_directory(images / slide) ? images / slide : images);
  } else {
    for (const std::string& name : kCosmxImageFolders)
      if (files.images.empty()) files.images = ByFov(folder / name);
  }
  for (const char* name : {"CellLabels", "AnalysisResults/CellLabels", "CellStatsDir/CellLabels"})
    if (files.labels.empty()) files.labels = ByFov(folder / name);
  return files;
}

CosmxMetadata ReadCosmxMetadata(const fs::path& path) {
  TableReader table(path);
  // Both `cell_id` (a text over all slides) and `cell_ID` (a number in its FOV) may be there.
  const size_t fov = table.Column("fov"), id = table.Column("cell_ID");
  const size_t x = table.Column("CenterX_local_px"), y = table.Column("CenterY_local_px");
  const size_t global_x = ColumnOf(table, {"CenterX_global_px"}), global_y = ColumnOf(table, {"CenterY_global_px"});
  const size_t area = ColumnOf(table, {"Area"}), area_um2 = ColumnOf(table, {"Area.um2", "Area_um2"});
  const size_t label = ColumnOf(table, kCosmxLabels), patient = ColumnOf(table, kCosmxPatients);
  CosmxMetadata metadata;
  metadata.has_labels = label < table.header().size();
  std::vector<std::string_view> fields;
  const auto number = [&](size_t column) {
    double value = std::numeric_limits<double>::quiet_NaN();
    if (column < fields.size() && !ParsePosition(fields[column], value))
      throw DataError("COSMX_METADATA", "{}: line {}, column '{}': '{}' is no number", path.string(), table.line(),
                      table.header()[column], fields[column]);
    return value;
  };
  while (table.Next(fields)) {
    CosmxCell cell;
    if (!ParseInteger(fields[fov], cell.fov) || !ParseInteger(fields[id], cell.cell))
      throw DataError("COSMX_METADATA", "{}: line {}: fov '{}', cell_ID '{}' are no whole numbers", path.string(),
                      table.line(), fields[fov], fields[id]);
    cell.local = {number(x), number(y)};
    cell.global = {number(global_x), number(global_y)};
    cell.area_px = std::isfinite(number(area)) ? number(area) : 0;
    cell.area_um2 = std::isfinite(number(area_um2)) ? number(area_um2) : 0;
    if (label < fields.size()) cell.label = fields[label];
    if (patient < fields.size()) cell.patient = fields[patient];
    if (!metadata.cells.emplace(std::pair{cell.fov, cell.cell}, std::move(cell)).second)
      throw DataError("COSMX_METADATA", "{}: line {}: cell {} of FOV {} is there twice", path.string(), table.line(),
                      fields[id], fields[fov]);
  }
  return metadata;
}

bool IsLocalYUp(const CosmxMetadata& metadata, const fs::path& path) {
  // Covariances within FOVs, added up.
  std::map<int64_t, std::array<double, 3>> sums;  // n, local, global
  const auto is_placed = [](const CosmxCell& cell) {
    return std::isfinite(cell.local.y) && std::isfinite(cell.global.y);
  };
  for (const auto& [key, cell] : metadata.cells) {
    if (!is_placed(cell)) continue;
    auto& sum = sums[cell.fov];
    ++sum[0], sum[1] += cell.local.y, sum[2] += cell.global.y;
  }
  double both = 0, local = 0, global = 0;
  for (const auto& [key, cell] : metadata.cells) {
    if (!is_placed(cell)) continue;
    const auto& sum = sums[cell.fov];
    const double dl = cell.local.y - sum[1] / sum[0], dg = cell.global.y - sum[2] / sum[0];
    both += dl * dg, local += dl * dl, global += dg * dg;
  }
  const double slope = local > 0 ? both / local : 0;
  if (std::abs(std::abs(slope) - 1) > 0.1)
    throw DataError("COSMX_ORIENTATION",
                    "{}: CenterY_global_px against CenterY_local_px has a slope of {:.2f}; 1 (y counts upwards) or -1 "
                    "(downwards) tell how positions lie in the images: check that both columns are there",
                    path.string(), slope);
  return slope > 0;
}

double CosmxUmPerPx(const CosmxFiles& files, const CosmxMetadata& metadata, bool is_y_up) {
  const double by_fovs = ByFovPositions(files.fov_positions), by_areas = ByAreas(metadata);
  if (by_fovs > 0 && by_areas > 0 && std::abs(by_fovs / by_areas - 1) > kCosmxTolerance)
    throw DataError("COSMX_SCALE",
                    "{}: FOVs lie as at {:.4f} um per px, cells' areas say {:.4f}: check that both files "
                    "belong together, or give --um_per_px",
                    files.metadata.string(), by_fovs, by_areas);
  if (by_fovs > 0 || by_areas > 0) return by_fovs > 0 ? by_fovs : by_areas;
  if (is_y_up) {
    Log("{}: no file states the scale: {} um per px, the lung release's, is taken; --um_per_px chooses", files.slide,
        kLungUmPerPx);
    return kLungUmPerPx;
  }
  throw DataError("COSMX_SCALE",
                  "{}: neither FOV positions in px and mm nor areas in um2 state the scale, which differs "
                  "between instruments: give --um_per_px (0.1203 of the commercial ones)",
                  files.metadata.string());
}

}  // namespace genvinci
