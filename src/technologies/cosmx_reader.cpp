#include <algorithm>
#include <cmath>
#include <limits>

#include "cosmx_files.h"
#include "feature_columns.h"
#include "genvinci/core/error.h"
#include "genvinci/core/log.h"
#include "genvinci/core/text.h"
#include "genvinci/io/table.h"
#include "genvinci/technologies/section_reader.h"
#include "vendor_files.h"

namespace genvinci {
namespace {

constexpr double kCosmxPatchUm = 32;
constexpr size_t kCheckedFovs = 3;
constexpr size_t kFewestCells = 20;  // of an FOV that can tell how it lies
// Columns of exprMat that are no genes.
const std::vector<std::string> kCosmxKeys = {"fov", "cell_ID", "cell", "cell_id", "slide_ID", ""};

class CosmxReader : public SectionReader {
 public:
  explicit CosmxReader(const PrepareOptions& options) : options_(options) {
    std::vector<SectionFolder> folders = FindSectionFolders(options.input, "", IsCosmx);
    if (folders.empty())
      throw MissingFileError(
          "COSMX_MISSING",
          "{}: neither it nor its folders hold <slide>_exprMat_file.csv and <slide>_metadata_file.csv: "
          "give a slide's folder of flat files",
          options.input);
    for (SectionFolder& folder : folders) folder.name = CosmxSlideName(folder.name);
    folders = ChosenSections(std::move(folders), options.sections, options.input);
    data_.name = folders.size() == 1 ? folders[0].name : FolderName(options.input);
    data_.default_split = folders.size() == 1 ? "block" : "obs:slide";
    data_.default_patch_um = kCosmxPatchUm;
    for (const SectionFolder& folder : folders) AddSlide(folder);
    columns_.Describe(data_, options.input);
    data_.obs.Set("slide", LabelColumn(slides_));
    data_.obs.Set("fov", FrameColumn::Integers(std::move(fovs_)));
    data_.obs.Set("cell_ID", FrameColumn::Integers(std::move(cells_)));
    data_.obs.Set("CenterX_global_px", FrameColumn::Floats(std::move(global_x_)));
    data_.obs.Set("CenterY_global_px", FrameColumn::Floats(std::move(global_y_)));
    if (!has_labels_) return;
    data_.label_column = "label";
    data_.obs.Set("label", LabelColumn(labels_));
  }

  void ForEachBatch(const BatchUser& use) const override {
    int64_t first_row = 0;
    for (size_t s = 0; s < tables_.size(); ++s)
      first_row = ReadCountTable(tables_[s], first_row, [&](const SparseRows& rows) { use(columns_.Take(rows, s)); });
  }

 private:
  // The columns of a table of counts.
  struct CountColumns {
    explicit CountColumns(const TableReader& table) : fov(table.Column("fov")), cell(table.Column("cell_ID")) {
      for (size_t k = 0; k < table.header().size(); ++k)
        if (std::find(kCosmxKeys.begin(), kCosmxKeys.end(), table.header()[k]) == kCosmxKeys.end()) genes.push_back(k);
    }
    size_t fov, cell;
    std::vector<size_t> genes;
  };

  void AddSlide(const SectionFolder& folder) {
    const CosmxFiles files = FindCosmxFiles(folder.name, folder.path, options_.no_images ? "" : options_.images);
    const CosmxMetadata metadata = ReadCosmxMetadata(files.metadata);
    has_labels_ = has_labels_ || metadata.has_labels;
    AddFeatures(files.counts);
    std::map<int64_t, size_t> section_of;
    AddCells(files, metadata, section_of);
    if (!options_.no_images) AddImages(files, metadata, section_of, folder.path);
    for (const fs::path& path : {files.counts, files.metadata, files.fov_positions})
      if (!path.empty()) data_.provenance["files"].push_back(FileFacts(path));
  }

  void AddFeatures(const fs::path& path) {
    const TableReader table(path);
    std::vector<Feature> features;
    const CountColumns columns(table);
    for (const size_t k : columns.genes) features.push_back({table.header()[k], table.header()[k]});
    columns_.Add(features);
    tables_.push_back({path, columns.genes, [cell = columns.cell](const auto& fields) { return fields[cell] != "0"; }});
  }

  void AddCells(const CosmxFiles& files, const CosmxMetadata& metadata, std::map<int64_t, size_t>& section_of) {
    TableReader table(files.counts);
    const CountColumns columns(table);
    std::vector<std::string_view> fields;
    std::vector<std::string> names, listed;
    std::map<std::pair<int64_t, int64_t>, int64_t> seen;
    int64_t joined = 0;
    while (table.Next(fields)) {
      int64_t fov = 0, cell = 0;
      if (!ParseInteger(fields[columns.fov], fov) || !ParseInteger(fields[columns.cell], cell))
        throw DataError("COSMX_COUNTS", "{}: line {}: fov '{}', cell_ID '{}' are no whole numbers",
                        files.counts.string(), table.line(), fields[columns.fov], fields[columns.cell]);
      if (cell == 0) {  // what lies outside cells
        ++data_.dropped["background"];
        continue;
      }
      if (!seen.emplace(std::pair{fov, cell}, table.line()).second)
        throw DataError("COSMX_COUNTS", "{}: line {}: cell {} of FOV {} is there twice", files.counts.string(),
                        table.line(), cell, fov);
      if (!section_of.contains(fov)) {
        section_of[fov] = data_.sections.size();
        data_.sections.push_back({fmt::format("{}_F{:03}", files.slide, fov)});
      }
      const auto found = metadata.cells.find({fov, cell});
      const double none = std::numeric_limits<double>::quiet_NaN();
      const CosmxCell known =
          found == metadata.cells.end() ? CosmxCell{fov, cell, {none, none}, {none, none}} : found->second;
      Observation observation{section_of[fov], known.local, known.patient};
      if (!std::isfinite(known.local.x) || !std::isfinite(known.local.y)) observation.unusable = "no_position";
      joined += found != metadata.cells.end();
      names.push_back(fmt::format("{}_{}", fov, cell));
      data_.obs.index.push_back(files.slide + "_" + names.back());
      data_.observations.push_back(std::move(observation));
      slides_.push_back(files.slide);
      fovs_.push_back(fov);
      cells_.push_back(cell);
      global_x_.push_back(known.global.x);
      global_y_.push_back(known.global.y);
      labels_.push_back(known.label);
    }
    if (names.empty()) throw DataError("COSMX_COUNTS", "{}: holds no cell: check the file", files.counts.string());
    for (const auto& [key, cell] : metadata.cells)
      if (listed.size() < 3) listed.push_back(fmt::format("{}_{}", key.first, key.second));
    RequireJoin({files.counts, names}, {files.metadata, listed}, joined);
  }

  void AddImages(const CosmxFiles& files, const CosmxMetadata& metadata, const std::map<int64_t, size_t>& section_of,
                 const fs::path& folder) {
    if (files.images.empty())
      throw MissingFileError("IMAGE_MISSING",
                             "{}: holds no image of an FOV (CellComposite/*_F001.jpg, Morphology2D/*_F00001.TIF): name "
                             "their folder with --images, or pass --no_images for a dataset for pretraining",
                             folder.string());
    const bool is_y_up = IsLocalYUp(metadata, files.metadata);
    const double um_per_px = options_.um_per_px > 0 ? options_.um_per_px : CosmxUmPerPx(files, metadata, is_y_up);
    std::vector<bool> has_no_image(data_.sections.size(), false);
    size_t checked = 0;
    for (const auto& [fov, section] : section_of) {
      const auto found = files.images.find(fov);
      if (found == files.images.end()) {
        has_no_image[section] = true;
        continue;
      }
      const auto labels = files.labels.find(fov);
      data_.sections[section].images.push_back(
          Placed(found->second, labels == files.labels.end() ? fs::path() : labels->second, is_y_up, um_per_px));
      if (labels != files.labels.end() && checked < kCheckedFovs)
        checked += CheckLabels(labels->second, metadata, fov, is_y_up);
    }
    int64_t without = 0;
    for (Observation& observation : data_.observations) {
      if (!has_no_image[observation.section]) continue;
      observation.unusable = "no_image";
      ++without;
    }
    if (without > 0) Warn("{}: {} cells lie in FOVs without an image and are dropped", files.slide, without);
    Log("{}: {} FOVs, y counts {}, {:.4f} um per px", files.slide, section_of.size(), is_y_up ? "upwards" : "downwards",
        um_per_px);
    data_.provenance["images"].push_back(files.images.begin()->second.parent_path().string());
  }

  // An FOV's image; where it is smaller than its labels, whose px positions count, by their ratio.
  SectionImage Placed(const fs::path& path, const fs::path& labels, bool is_y_up, double um_per_px) const {
    SectionImage image = DescribeImage(path, data_);
    double factor = 1;
    if (!labels.empty()) {
      const ImageInfo full = ReadImageInfo(labels);
      factor = static_cast<double>(image.width) / static_cast<double>(full.width);
      if (std::abs(static_cast<double>(image.height) - factor * static_cast<double>(full.height)) > 1.5)
        throw DataError("SECTION_IMAGE_SIZE", "{}: is {} x {} px, {} of the same FOV {} x {}: fetch both again",
                        path.string(), image.width, image.height, labels.filename().string(), full.width, full.height);
    }
    image.um_per_px = um_per_px / factor;
    image.pixel_from_section = {factor, 0, 0, 0, factor, 0};
    if (is_y_up) image.pixel_from_section.yy = -factor, image.pixel_from_section.y0 = static_cast<double>(image.height);
    return image;
  }

  // Whether the FOV's labels could be looked at. DataError COSMX_ORIENTATION when cells lie on their own labels more
  // often in the other direction of y.
  static bool CheckLabels(const fs::path& path, const CosmxMetadata& metadata, int64_t fov, bool is_y_up) {
    const ImageInfo info = ReadImageInfo(path);
    if (info.channels != 1 || info.bits != 16) return false;
    const Image labels = ReadImage(path);
    int64_t cells = 0, hits = 0, hits_flipped = 0;
    for (auto at = metadata.cells.lower_bound({fov, 0}); at != metadata.cells.end() && at->first.first == fov; ++at) {
      const CosmxCell& cell = at->second;
      const auto x = static_cast<int64_t>(std::floor(cell.local.x));
      const double height = static_cast<double>(labels.height);
      const auto is_hit = [&](double row) {
        const auto y = static_cast<int64_t>(std::floor(row));
        if (x < 0 || y < 0 || x >= labels.width || y >= labels.height) return false;
        return reinterpret_cast<const uint16_t*>(labels.At(x, y))[0] == cell.cell;
      };
      if (!std::isfinite(cell.local.x) || !std::isfinite(cell.local.y)) continue;
      ++cells;
      hits += is_hit(is_y_up ? height - cell.local.y : cell.local.y);
      hits_flipped += is_hit(is_y_up ? cell.local.y : height - cell.local.y);
    }
    if (static_cast<size_t>(cells) < kFewestCells) return false;
    if (hits_flipped > hits)
      throw DataError(
          "COSMX_ORIENTATION",
          "{}: {} of {} cells lie on their own label with y counting {}, as the global positions say, and {} "
          "the other way: the release's files do not belong together",
          path.string(), hits, cells, is_y_up ? "upwards" : "downwards", hits_flipped);
    return true;
  }

  PrepareOptions options_;
  std::vector<CountTable> tables_;  // of each slide
  FeatureColumns columns_;
  std::vector<std::string> slides_, labels_;
  std::vector<int64_t> fovs_, cells_;
  std::vector<double> global_x_, global_y_;
  bool has_labels_ = false;
};

}  // namespace

std::unique_ptr<SectionReader> OpenCosmxReader(const PrepareOptions& options) {
  return std::make_unique<CosmxReader>(options);
}

bool LooksLikeCosmx(const fs::path& input) { return !FindSectionFolders(input, "", IsCosmx).empty(); }

}  // namespace genvinci
