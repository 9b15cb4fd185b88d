#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <unordered_map>

#include "genvinci/core/error.h"
#include "genvinci/core/log.h"
#include "genvinci/core/text.h"
#include "genvinci/io/parquet.h"
#include "genvinci/technologies/section_reader.h"
#include "spaceranger_files.h"

namespace genvinci {
namespace {

constexpr double kHdPatchUm = 32;
constexpr double kHdTolerance = 0.05;
constexpr int64_t kHdBatchRows = 1024;
constexpr int64_t kUsualBinUm = 8;
constexpr int64_t kSquareUm = 2;  // of the slide's own squares, which cells are made of

const std::vector<std::string> kHdPositions = {"tissue_positions.parquet"};
const std::vector<std::string> kHdPositionColumns = {"barcode",   "in_tissue",          "array_row",
                                                     "array_col", "pxl_row_in_fullres", "pxl_col_in_fullres"};

std::string BinFolder(int64_t um) { return fmt::format("square_{:03}um", um); }

// The folder of all bins; a single bin's folder is taken as a section of its own.
fs::path BinnedOutputs(const fs::path& section) { return FindNamed(section, {"binned_outputs"}); }

bool IsVisiumHd(const fs::path& section) {
  if (!BinnedOutputs(section).empty() || fs::is_directory(section / "segmented_outputs")) return true;
  return fs::is_directory(section / "spatial") && !FindNamed(section / "spatial", kHdPositions).empty();
}

// s_<um>um_<row>_<column>-1
struct Square {
  int64_t um = 0, row = 0, column = 0;
};
bool ParseSquare(std::string_view barcode, Square& square) {
  const std::vector<std::string_view> parts = SplitText(barcode.substr(0, barcode.find('-')), '_');
  return parts.size() == 4 && parts[0] == "s" && parts[1].ends_with("um") &&
         ParseInteger(parts[1].substr(0, parts[1].size() - 2), square.um) && ParseInteger(parts[2], square.row) &&
         ParseInteger(parts[3], square.column);
}

// Ids of cells as the matrix has them, from whatever form the mapping has.
std::string CellBarcode(const std::string& id) {
  int64_t number = 0;
  return ParseInteger(id, number) ? fmt::format("cellid_{:09}-1", number) : id;
}

// What one matrix's barcodes are, in their order.
struct Units {
  std::vector<Point> centres;  // px of the full image; NaN: none
  std::vector<bool> in_tissue;
  std::vector<int64_t> rows, columns;  // on the array; -1: of a cell
  int64_t joined = 0;
  std::vector<std::string> some_listed;  // names of the table that they were looked up in, for messages
  fs::path listed_in;
};

class VisiumHdReader : public SectionReader {
 public:
  explicit VisiumHdReader(const PrepareOptions& options)
      : options_(options), of_cells_(options.unit == "cell" || options.unit == "nucleus") {
    const std::vector<SectionFolder> folders =
        ChosenSections(FindSectionFolders(options.input, "outs", IsVisiumHd), options.sections, options.input);
    if (folders.empty())
      throw MissingFileError("VISIUM_MISSING",
                             "{}: neither it nor its folders hold binned_outputs/ or segmented_outputs/: give "
                             "spaceranger's outs folder",
                             options.input);
    data_.name = folders.size() == 1 ? folders[0].name : FolderName(options.input);
    data_.default_split = folders.size() == 1 ? "block" : "section";
    for (const SectionFolder& folder : folders) AddSection(folder, folders.size() == 1);
    columns_.Describe(data_, options.input);
    data_.obs.Set("barcode", FrameColumn::Strings(std::move(barcodes_)));
    if (of_cells_) return;
    data_.obs.Set("array_row", FrameColumn::Integers(std::move(rows_)));
    data_.obs.Set("array_col", FrameColumn::Integers(std::move(array_columns_)));
  }

  void ForEachBatch(const BatchUser& use) const override {
    int64_t first_row = 0;
    for (size_t s = 0; s < matrices_.size(); ++s) {
      matrices_[s]->ForEachBatch(kHdBatchRows, [&](const SparseRows& rows) {
        RequireWholeCounts(rows, matrices_[s]->path(), matrices_[s]->barcodes());
        SparseRows taken = columns_.Take(rows, s);
        taken.first_row += first_row;
        use(taken);
      });
      first_row += static_cast<int64_t>(matrices_[s]->barcodes().size());
    }
  }

 private:
  // The folder of the bins (or cells) to read.
  fs::path UnitFolder(const fs::path& section) const {
    if (of_cells_) {
      const fs::path folder = FindNamed(section, {"segmented_outputs"});
      if (folder.empty())
        throw MissingFileError("VISIUM_SEGMENTED",
                               "{}: holds no segmented_outputs/, which Space Ranger 4 makes: use --unit "
                               "bin",
                               section.string());
      return folder;
    }
    const fs::path binned = BinnedOutputs(section);
    if (binned.empty()) return section;
    std::vector<std::string> there;
    for (const fs::path& entry : SortedEntries(binned))
      if (fs::is_directory(entry)) there.push_back(entry.filename().string());
    std::string wanted = BinFolder(options_.bin_um > 0 ? options_.bin_um : kUsualBinUm);
    if (options_.bin_um == 0 && there.size() == 1) wanted = there.front();
    if (std::find(there.begin(), there.end(), wanted) != there.end()) return binned / wanted;
    throw UsageError("BIN_UM", "{}: holds no {}: choose with --bin_um from {}", binned.string(), wanted,
                     JoinText(there, ", "));
  }

  void AddSection(const SectionFolder& folder, bool is_only) {
    const fs::path unit = UnitFolder(folder.path);
    const fs::path spatial = fs::is_directory(unit / "spatial") ? unit / "spatial" : folder.path / "spatial";
    const SpaceRangerFactors factors = ReadFactors(spatial);
    const double um_per_px = UmPerPx(factors, spatial);
    matrices_.push_back(TenxMatrix::Open(
        FindSpaceRangerMatrix(unit, options_.matrix, of_cells_ ? "feature_cell_matrix" : "feature_bc_matrix")));
    const TenxMatrix& matrix = *matrices_.back();
    AddFeatures(matrix, columns_);
    if (data_.version.empty()) data_.version = matrix.software();
    const Units units = of_cells_ ? PlaceCells(folder.path, matrix) : PlaceBins(spatial, matrix);
    RequireJoin({matrix.path(), matrix.barcodes()}, {units.listed_in, units.some_listed}, units.joined);
    AddObservations(folder, matrix, units);
    data_.pitch_um = of_cells_ ? 0 : factors.bin_um;
    data_.default_patch_um = std::max(kHdPatchUm, factors.bin_um);
    Section section{folder.name};
    if (!options_.no_images) {
      SectionImage image =
          ChooseSpaceRangerImage(options_, {folder.name, folder.path, spatial, is_only}, factors, data_);
      image.um_per_px = options_.um_per_px > 0 ? options_.um_per_px : um_per_px / image.pixel_from_section.xx;
      Log("{}: {} ({} x {} px, {:.4f} um per px)", folder.name, image.path.string(), image.width, image.height,
          image.um_per_px);
      data_.provenance["files"].push_back(FileFacts(image.path));
      section.images.push_back(std::move(image));
    }
    for (const fs::path& path : {matrix.path(), units.listed_in}) data_.provenance["files"].push_back(FileFacts(path));
    data_.sections.push_back(std::move(section));
  }

  double UmPerPx(const SpaceRangerFactors& factors, const fs::path& spatial) const {
    const double by_bin = factors.spot_px > 0 && factors.bin_um > 0 ? factors.bin_um / factors.spot_px : 0;
    if (options_.um_per_px > 0) return options_.um_per_px;
    if (factors.microns_per_pixel == 0 && by_bin == 0)
      throw DataError("VISIUM_SCALE", "{}: its scale factors state no microns_per_pixel: give --um_per_px of the image",
                      spatial.string());
    if (factors.microns_per_pixel > 0 && by_bin > 0 && std::abs(by_bin / factors.microns_per_pixel - 1) > kHdTolerance)
      throw DataError("VISIUM_SCALE",
                      "{}: states {:.4f} um per px, and bins of {} um that are {:.2f} px wide, which is "
                      "{:.4f}: check that the file belongs here, or give --um_per_px of the image",
                      spatial.string(), factors.microns_per_pixel, factors.bin_um, factors.spot_px, by_bin);
    return factors.microns_per_pixel > 0 ? factors.microns_per_pixel : by_bin;
  }

  static Units Unplaced(const TenxMatrix& matrix) {
    const size_t n = matrix.barcodes().size();
    const double none = std::numeric_limits<double>::quiet_NaN();
    Units units;
    units.centres.assign(n, {none, none});
    units.in_tissue.assign(n, true);
    units.rows.assign(n, -1);
    units.columns.assign(n, -1);
    return units;
  }

  // The list names every bin of the slide, the matrix those that have counts.
  static Units PlaceBins(const fs::path& spatial, const TenxMatrix& matrix) {
    const fs::path path = FindNamed(spatial, kHdPositions);
    if (path.empty())
      throw MissingFileError("VISIUM_POSITIONS", "{}: holds no tissue_positions.parquet: fetch it", spatial.string());
    std::unordered_map<std::string_view, size_t> index;
    for (size_t k = 0; k < matrix.barcodes().size(); ++k) index[matrix.barcodes()[k]] = k;
    Units units = Unplaced(matrix);
    units.listed_in = path;
    ParquetTable(path).ForEachBatch(kHdPositionColumns, [&](const ParquetBatch& batch) {
      for (int64_t row = 0; row < batch.rows(); ++row) {
        const std::string barcode = batch.Text(0, row);
        if (units.some_listed.size() < 3) units.some_listed.push_back(barcode);
        const auto found = index.find(barcode);
        if (found == index.end()) continue;
        const size_t k = found->second;
        units.rows[k] = batch.Integer(2, row);
        units.columns[k] = batch.Integer(3, row);
        Square square;
        if (ParseSquare(barcode, square) && (square.row != units.rows[k] || square.column != units.columns[k]))
          throw DataError("VISIUM_POSITIONS",
                          "{}: bin {} is listed at row {}, column {}: the table was sorted or cut by "
                          "columns; fetch it again",
                          path.string(), barcode, units.rows[k], units.columns[k]);
        units.in_tissue[k] = batch.Integer(1, row) != 0;
        units.centres[k] = {batch.Number(5, row), batch.Number(4, row)};
        ++units.joined;
      }
    });
    return units;
  }

  // A cell is where its squares of 2 um are, as barcode_mappings says: its polygon would leave out all but the largest
  // part, and some cells have none.
  Units PlaceCells(const fs::path& section, const TenxMatrix& matrix) const {
    const fs::path mappings = FindNamed(section, {"barcode_mappings.parquet"});
    const fs::path binned = BinnedOutputs(section);
    const fs::path positions =
        binned.empty() ? fs::path() : FindNamed(binned / BinFolder(kSquareUm) / "spatial", kHdPositions);
    if (mappings.empty() || positions.empty())
      throw MissingFileError("VISIUM_SEGMENTED",
                             "{}: cells need barcode_mappings.parquet and binned_outputs/{}/spatial/"
                             "tissue_positions.parquet, which say where they are: fetch them, or use --unit bin",
                             section.string(), BinFolder(kSquareUm));
    const std::vector<std::vector<std::array<float, 2>>> grid = SquareGrid(positions);
    std::unordered_map<std::string_view, size_t> index;
    for (size_t k = 0; k < matrix.barcodes().size(); ++k) index[matrix.barcodes()[k]] = k;
    Units units = Unplaced(matrix);
    units.listed_in = mappings;
    std::vector<std::array<double, 3>> sums(matrix.barcodes().size(), {0, 0, 0});
    const std::string inside = options_.unit == "nucleus" ? "in_nucleus" : "in_cell";
    ParquetTable(mappings).ForEachBatch({"square_002um", "cell_id", inside}, [&](const ParquetBatch& batch) {
      for (int64_t row = 0; row < batch.rows(); ++row) {
        if (batch.IsNull(1, row) || batch.IsNull(2, row) || batch.Integer(2, row) == 0) continue;
        const std::string cell = CellBarcode(batch.Text(1, row)), barcode = batch.Text(0, row);
        if (units.some_listed.size() < 3) units.some_listed.push_back(cell);
        const auto found = index.find(cell);
        if (found == index.end()) continue;
        Square square;
        if (!ParseSquare(barcode, square) || square.row < 0 || square.column < 0)
          throw DataError("VISIUM_SEGMENTED", "{}: row {}: '{}' is no square's barcode", mappings.string(),
                          batch.first_row() + row, barcode);
        if (static_cast<size_t>(square.row) >= grid.size() ||
            static_cast<size_t>(square.column) >= grid[static_cast<size_t>(square.row)].size())
          continue;
        const auto& [x, y] = grid[static_cast<size_t>(square.row)][static_cast<size_t>(square.column)];
        if (!std::isfinite(x) || !std::isfinite(y)) continue;
        std::array<double, 3>& sum = sums[found->second];
        sum[0] += x;
        sum[1] += y;
        ++sum[2];
      }
    });
    for (size_t k = 0; k < sums.size(); ++k) {
      if (sums[k][2] == 0) continue;
      units.centres[k] = {sums[k][0] / sums[k][2], sums[k][1] / sums[k][2]};
      ++units.joined;
    }
    return units;
  }

  // The centres of the slide's squares in px of the full image, by row and column; NaN: not listed.
  static std::vector<std::vector<std::array<float, 2>>> SquareGrid(const fs::path& path) {
    constexpr int64_t kMost = 20000;
    const float none = std::numeric_limits<float>::quiet_NaN();
    std::vector<std::vector<std::array<float, 2>>> grid;
    ParquetTable(path).ForEachBatch(
        {"array_row", "array_col", "pxl_row_in_fullres", "pxl_col_in_fullres"}, [&](const ParquetBatch& batch) {
          for (int64_t k = 0; k < batch.rows(); ++k) {
            const int64_t row = batch.Integer(0, k), column = batch.Integer(1, k);
            if (row < 0 || column < 0 || row >= kMost || column >= kMost)
              throw DataError("VISIUM_POSITIONS", "{}: row {}: a square at row {}, column {}: the file is damaged",
                              path.string(), batch.first_row() + k, row, column);
            if (static_cast<size_t>(row) >= grid.size()) grid.resize(static_cast<size_t>(row) + 1);
            auto& line = grid[static_cast<size_t>(row)];
            if (static_cast<size_t>(column) >= line.size()) line.resize(static_cast<size_t>(column) + 1, {none, none});
            line[static_cast<size_t>(column)] = {static_cast<float>(batch.Number(3, k)),
                                                 static_cast<float>(batch.Number(2, k))};
          }
        });
    return grid;
  }

  void AddObservations(const SectionFolder& folder, const TenxMatrix& matrix, const Units& units) {
    for (size_t k = 0; k < matrix.barcodes().size(); ++k) {
      Observation observation{data_.sections.size(), units.centres[k]};
      if (!std::isfinite(observation.centre.x) || !std::isfinite(observation.centre.y))
        observation.unusable = "no_position";
      else if (!units.in_tissue[k])
        observation.unusable = "not_in_tissue";
      data_.obs.index.push_back(folder.name + "_" + matrix.barcodes()[k]);
      data_.observations.push_back(std::move(observation));
      barcodes_.push_back(matrix.barcodes()[k]);
      rows_.push_back(units.rows[k]);
      array_columns_.push_back(units.columns[k]);
    }
  }

  PrepareOptions options_;
  bool of_cells_ = false;
  std::vector<std::unique_ptr<TenxMatrix>> matrices_;  // of each section
  FeatureColumns columns_;
  std::vector<std::string> barcodes_;
  std::vector<int64_t> rows_, array_columns_;
};

}  // namespace

std::unique_ptr<SectionReader> OpenVisiumHdReader(const PrepareOptions& options) {
  return std::make_unique<VisiumHdReader>(options);
}

bool LooksLikeVisiumHd(const fs::path& input) { return !FindSectionFolders(input, "outs", IsVisiumHd).empty(); }

}  // namespace genvinci
