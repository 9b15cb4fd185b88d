#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <unordered_map>

#include "genvinci/core/error.h"
#include "genvinci/core/log.h"
#include "genvinci/core/median.h"
#include "genvinci/core/text.h"
#include "genvinci/io/table.h"
#include "genvinci/technologies/section_reader.h"
#include "spaceranger_files.h"

namespace genvinci {
namespace {

constexpr double kPitchUm = 100;
// What spaceranger's `fiducial_diameter_fullres` stands for, on every slide.
constexpr double kFiducialUm = 105;
constexpr double kScaleTolerance = 0.05;
constexpr int64_t kVisiumBatchRows = 1024;

const std::vector<std::string> kPositions = {"tissue_positions.csv", "tissue_positions_list.csv",
                                             "tissue_positions.csv.gz", "tissue_positions_list.csv.gz"};
// The folder of positions and scale factors in a section's folder; empty: this is none.
fs::path SpatialFolder(const fs::path& section) {
  for (const fs::path& folder : {FindNamed(section, {"spatial"}), section})
    if (!folder.empty() && fs::is_directory(folder) && !FindNamed(folder, kPositions).empty()) return folder;
  return {};
}

bool IsVisium(const fs::path& section) { return !SpatialFolder(section).empty(); }

struct VisiumSpot {
  bool in_tissue = false;
  int64_t row = 0, column = 0;  // on the array
  Point centre;                 // px of the full-resolution image; NaN: not stated
};

// The columns of a list of positions are told by their order: the same list comes with a header and without.
class PositionList {
 public:
  explicit PositionList(const fs::path& path) : path_(path) {
    TableReader table(path);
    if (table.header().size() < 6)
      throw DataError("VISIUM_POSITIONS",
                      "{}: has {} columns, barcode, in_tissue, array_row, array_col and the pixel's "
                      "row and column are needed",
                      path.string(), table.header().size());
    if (table.header()[0] != "barcode") Add({table.header().begin(), table.header().end()}, 1);
    std::vector<std::string_view> fields;
    while (table.Next(fields)) Add(fields, table.line());
    if (spots_.empty()) throw DataError("VISIUM_POSITIONS", "{}: lists no spot: check the file", path.string());
  }

  const VisiumSpot* Find(const std::string& barcode) const {
    const auto found = spots_.find(barcode);
    return found == spots_.end() ? nullptr : &found->second;
  }
  std::vector<std::string> barcodes() const {
    std::vector<std::string> names;
    for (const auto& [barcode, spot] : spots_) names.push_back(barcode);
    return names;
  }

  // Median distance in px of spots next to each other in a row of the array, which are two columns apart; 0: none are.
  double Pitch() const {
    std::map<std::pair<int64_t, int64_t>, Point> at;
    for (const auto& [barcode, spot] : spots_) at[{spot.row, spot.column}] = spot.centre;
    std::vector<double> distances;
    for (const auto& [place, centre] : at) {
      const auto next = at.find({place.first, place.second + 2});
      if (next == at.end()) continue;
      const double distance = std::hypot(next->second.x - centre.x, next->second.y - centre.y);
      if (std::isfinite(distance)) distances.push_back(distance);
    }
    return distances.empty() ? 0 : Median(std::move(distances));
  }

 private:
  void Add(const std::vector<std::string_view>& fields, int64_t line) {
    VisiumSpot spot;
    int64_t in_tissue = 0;
    // The pixel's row comes before its column.
    if (!ParseInteger(fields[1], in_tissue) || in_tissue < 0 || in_tissue > 1 || !ParseInteger(fields[2], spot.row) ||
        !ParseInteger(fields[3], spot.column) || !ParsePosition(fields[4], spot.centre.y) ||
        !ParsePosition(fields[5], spot.centre.x))
      throw DataError("VISIUM_POSITIONS",
                      "{}: line {}: '{},{},{},{},{},{}' is no spot: expected barcode, 0 or 1, two "
                      "whole numbers and two numbers",
                      path_.string(), line, fields[0], fields[1], fields[2], fields[3], fields[4], fields[5]);
    spot.in_tissue = in_tissue == 1;
    if (!spots_.try_emplace(std::string(fields[0]), spot).second)
      throw DataError("VISIUM_POSITIONS", "{}: line {}: barcode '{}' is there twice", path_.string(), line, fields[0]);
  }

  fs::path path_;
  std::unordered_map<std::string, VisiumSpot> spots_;
};

class VisiumReader : public SectionReader {
 public:
  explicit VisiumReader(const PrepareOptions& options) : options_(options) {
    const std::vector<SectionFolder> folders =
        ChosenSections(FindSectionFolders(options.input, "outs", IsVisium), options.sections, options.input);
    if (folders.empty())
      throw MissingFileError("VISIUM_MISSING",
                             "{}: neither it nor its folders hold spatial/tissue_positions.csv (or _list.csv): give "
                             "spaceranger's outs folder",
                             options.input);
    data_.name = folders.size() == 1 ? folders[0].name : FolderName(options.input);
    data_.default_split = folders.size() == 1 ? "block" : "section";
    data_.pitch_um = kPitchUm;
    for (const SectionFolder& folder : folders) AddSection(folder, folders.size() == 1);
    columns_.Describe(data_, options.input);
    AddColumns();
  }

  void ForEachBatch(const BatchUser& use) const override {
    int64_t first_row = 0;
    for (size_t s = 0; s < matrices_.size(); ++s) {
      matrices_[s]->ForEachBatch(kVisiumBatchRows, [&](const SparseRows& rows) {
        RequireWholeCounts(rows, matrices_[s]->path(), matrices_[s]->barcodes());
        SparseRows taken = columns_.Take(rows, s);
        taken.first_row += first_row;
        use(taken);
      });
      first_row += static_cast<int64_t>(matrices_[s]->barcodes().size());
    }
  }

 private:
  void AddSection(const SectionFolder& folder, bool is_only) {
    const fs::path spatial = SpatialFolder(folder.path), positions_path = FindNamed(spatial, kPositions);
    const SpaceRangerFactors factors = ReadFactors(spatial);
    const PositionList positions(positions_path);
    matrices_.push_back(TenxMatrix::Open(FindSpaceRangerMatrix(folder.path, options_.matrix, "feature_bc_matrix")));
    AddFeatures(*matrices_.back(), columns_);
    if (data_.version.empty()) data_.version = matrices_.back()->software();
    AddSpots(folder, positions_path, positions);
    Section section{folder.name};
    if (!options_.no_images) {
      SectionImage image =
          ChooseSpaceRangerImage(options_, {folder.name, folder.path, spatial, is_only}, factors, data_);
      const double full_um = UmPerPx(factors, positions, spatial);
      image.um_per_px = options_.um_per_px > 0 ? options_.um_per_px : full_um / image.pixel_from_section.xx;
      Log("{}: {} ({} x {} px, {:.4f} um per px)", folder.name, image.path.string(), image.width, image.height,
          image.um_per_px);
      section.images.push_back(std::move(image));
    }
    for (const fs::path& path : {matrices_.back()->path(), positions_path})
      data_.provenance["files"].push_back(FileFacts(path));
    for (const SectionImage& image : section.images) data_.provenance["files"].push_back(FileFacts(image.path));
    data_.sections.push_back(std::move(section));
  }

  void AddSpots(const SectionFolder& folder, const fs::path& path, const PositionList& positions) {
    const TenxMatrix& matrix = *matrices_.back();
    const auto clusters = ReadClusters(folder.path);
    int64_t joined = 0;
    for (const std::string& barcode : matrix.barcodes()) {
      const VisiumSpot* spot = positions.Find(barcode);
      Observation observation{data_.sections.size()};
      if (!spot) {
        observation.unusable = "no_position";
        observation.centre = {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::quiet_NaN()};
      } else {
        observation.centre = spot->centre;
        if (!spot->in_tissue) observation.unusable = "not_in_tissue";
        if (!std::isfinite(spot->centre.x) || !std::isfinite(spot->centre.y)) observation.unusable = "no_position";
        ++joined;
      }
      const auto cluster = clusters.find(barcode);
      data_.obs.index.push_back(folder.name + "_" + barcode);
      data_.observations.push_back(std::move(observation));
      barcodes_.push_back(barcode);
      rows_.push_back(spot ? spot->row : -1);
      array_columns_.push_back(spot ? spot->column : -1);
      labels_.push_back(cluster == clusters.end() ? "" : cluster->second);
    }
    const std::vector<std::string> listed = positions.barcodes();
    RequireJoin({matrix.path(), matrix.barcodes()}, {path, listed}, joined);
  }

  double UmPerPx(const SpaceRangerFactors& factors, const PositionList& positions, const fs::path& path) const {
    const double pitch = positions.Pitch();
    const double by_pitch = pitch > 0 ? kPitchUm / pitch : 0;
    const double by_fiducial = factors.fiducial_px > 0 ? kFiducialUm / factors.fiducial_px : 0;
    if (by_pitch == 0 && by_fiducial == 0 && options_.um_per_px == 0)
      throw DataError("VISIUM_SCALE",
                      "{}: states no fiducial_diameter_fullres, and no spots lie beside each other: give "
                      "--um_per_px of the image",
                      path.string());
    if (by_pitch > 0 && by_fiducial > 0 && std::abs(by_pitch / by_fiducial - 1) > kScaleTolerance &&
        options_.um_per_px == 0)
      throw DataError("VISIUM_SCALE",
                      "{}: its fiducial diameter says {:.4f} um per px of the full image, spots that are "
                      "100 um apart say {:.4f}: check that it belongs to these positions, or give --um_per_px of the "
                      "image",
                      path.string(), by_fiducial, by_pitch);
    return by_fiducial > 0 ? by_fiducial : by_pitch;
  }

  void AddColumns() {
    data_.obs.Set("barcode", FrameColumn::Strings(std::move(barcodes_)));
    data_.obs.Set("array_row", FrameColumn::Integers(std::move(rows_)));
    data_.obs.Set("array_col", FrameColumn::Integers(std::move(array_columns_)));
    if (std::any_of(labels_.begin(), labels_.end(), [](const std::string& label) { return !label.empty(); })) {
      data_.label_column = "label";
      data_.obs.Set("label", LabelColumn(labels_));
    }
  }

  PrepareOptions options_;
  std::vector<std::unique_ptr<TenxMatrix>> matrices_;  // of each section
  FeatureColumns columns_;
  std::vector<std::string> barcodes_, labels_;
  std::vector<int64_t> rows_, array_columns_;
};

}  // namespace

std::unique_ptr<SectionReader> OpenVisiumReader(const PrepareOptions& options) {
  return std::make_unique<VisiumReader>(options);
}

bool LooksLikeVisium(const fs::path& input) { return !FindSectionFolders(input, "outs", IsVisium).empty(); }

}  // namespace genvinci
