#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <unordered_map>

#include "feature_columns.h"
#include "genvinci/core/error.h"
#include "genvinci/core/log.h"
#include "genvinci/core/text.h"
#include "genvinci/io/outline.h"
#include "genvinci/io/parquet.h"
#include "genvinci/io/table.h"
#include "genvinci/technologies/section_reader.h"
#include "vendor_files.h"

namespace genvinci {
namespace {

constexpr double kMerscopePatchUm = 32;  // a cell and what lies around it
constexpr int64_t kMiddlePlane = 3;      // of the seven that the instrument images

const std::vector<std::string> kCellByGene = {"cell_by_gene.csv", "cell_by_gene.csv.gz"};
const std::vector<std::string> kCellMetadata = {"cell_metadata.csv", "cell_metadata.csv.gz"};
const std::vector<std::string> kBoundaries = {"cell_boundaries.parquet", "cellpose_micron_space.parquet",
                                              "micron_space.parquet", "cells_cellpose.parquet"};
const std::vector<std::string> kTransforms = {"micron_to_mosaic_pixel_transform.csv"};
const std::vector<std::string> kMosaicFolders = {"images", "input_images"};

bool IsMerscope(const fs::path& folder) {
  if (FindNamed(folder, kCellByGene).empty()) return false;
  for (const auto& names : {kCellMetadata, kTransforms, kBoundaries, kMosaicFolders})
    if (!FindNamed(folder, names).empty()) return true;
  return false;
}

// mosaic_<stain>_z<plane>.tif
struct Mosaic {
  std::string stain;
  int64_t plane = 0;
  fs::path path;
};

std::vector<Mosaic> FindMosaics(const fs::path& folder) {
  std::vector<Mosaic> mosaics;
  for (const fs::path& entry : SortedEntries(folder)) {
    const std::string name = entry.stem().string();
    const size_t start = name.find("mosaic_"), end = name.rfind("_z");
    Mosaic mosaic{"", 0, entry};
    if ((entry.extension() != ".tif" && entry.extension() != ".tiff") || start == std::string::npos ||
        end == std::string::npos || end <= start + 7 || !ParseInteger(name.substr(end + 2), mosaic.plane))
      continue;
    mosaic.stain = name.substr(start + 7, end - start - 7);
    mosaics.push_back(std::move(mosaic));
  }
  return mosaics;
}

class MerscopeReader : public SectionReader {
 public:
  explicit MerscopeReader(const PrepareOptions& options) : options_(options) {
    const std::vector<SectionFolder> folders =
        ChosenSections(FindSectionFolders(options.input, "", IsMerscope), options.sections, options.input);
    if (folders.empty())
      throw MissingFileError(
          "MERSCOPE_MISSING",
          "{}: neither it nor its folders hold cell_by_gene.csv beside cell_metadata.csv, boundaries "
          "or images: give a region's folder",
          options.input);
    data_.name = folders.size() == 1 ? folders[0].name : FolderName(options.input);
    data_.default_split = folders.size() == 1 ? "block" : "section";
    data_.default_patch_um = kMerscopePatchUm;
    for (const SectionFolder& folder : folders) AddSection(folder);
    columns_.Describe(data_, options.input);
    data_.obs.Set("cell", FrameColumn::Strings(std::move(cells_)));
    data_.obs.Set("fov", FrameColumn::Strings(std::move(fovs_)));
    data_.obs.Set("volume", FrameColumn::Floats(std::move(volumes_)));
  }

  void ForEachBatch(const BatchUser& use) const override {
    int64_t first_row = 0;
    for (size_t s = 0; s < tables_.size(); ++s)
      first_row = ReadCountTable(tables_[s], first_row, [&](const SparseRows& rows) { use(columns_.Take(rows, s)); });
  }

 private:
  struct Cell {
    Point centre;  // um
    std::string fov;
    double volume = std::numeric_limits<double>::quiet_NaN();
  };

  void AddSection(const SectionFolder& folder) {
    const fs::path counts = FindNamed(folder.path, kCellByGene);
    const std::unordered_map<std::string, Cell> cells = ReadCells(folder.path);
    AddFeatures(counts);
    AddObservations(folder, counts, cells);
    Section section{folder.name};
    if (!options_.no_images) {
      section.images.push_back(ChooseImage(folder));
      const SectionImage& image = section.images.back();
      Log("{}: {} of {} x {} px, {:.4f} um per px, plane {}", folder.name, JoinText(image.channels, ", "), image.width,
          image.height, image.um_per_px, plane_);
    }
    data_.provenance["files"].push_back(FileFacts(counts));
    for (const SectionImage& image : section.images)
      for (const ChannelPlace& place : image.places) data_.provenance["files"].push_back(FileFacts(place.file));
    data_.sections.push_back(std::move(section));
  }

  void AddFeatures(const fs::path& path) {
    const TableReader table(path);
    if (table.header().size() < 2)
      throw DataError("MERSCOPE_COUNTS", "{}: has no gene column: expected a row a cell and a column a gene",
                      path.string());
    std::vector<Feature> features;
    for (size_t k = 1; k < table.header().size(); ++k) features.push_back({table.header()[k], table.header()[k]});
    columns_.Add(features);
    CountTable& counts = tables_.emplace_back(CountTable{path, {}});
    for (size_t k = 1; k < table.header().size(); ++k) counts.genes.push_back(k);
  }

  // Ids that went through a floating number are no ids any more.
  static std::string CellId(std::string_view text, const fs::path& path, int64_t line) {
    if (text.empty() || text.find_first_of(".eE+") != std::string_view::npos)
      throw DataError("MERSCOPE_ID",
                      "{}: line {}: '{}' is no whole cell id: it was rounded by a spreadsheet or a data "
                      "frame; fetch the file again",
                      path.string(), line, text);
    return std::string(text);
  }

  static std::unordered_map<std::string, Cell> ReadCells(const fs::path& folder) {
    if (const fs::path path = FindNamed(folder, kCellMetadata); !path.empty()) return ReadMetadata(path);
    if (const fs::path path = FindNamed(folder, kBoundaries); !path.empty()) return ReadBoundaries(path);
    throw MissingFileError("MERSCOPE_MISSING",
                           "{}: holds neither cell_metadata.csv nor cell_boundaries.parquet, which "
                           "say where cells are",
                           folder.string());
  }

  static std::unordered_map<std::string, Cell> ReadMetadata(const fs::path& path) {
    TableReader table(path);
    const size_t id = table.HasColumn("EntityID") ? table.Column("EntityID") : 0;
    const size_t x = table.Column("center_x"), y = table.Column("center_y");
    const bool has_fov = table.HasColumn("fov"), has_volume = table.HasColumn("volume");
    const size_t fov = has_fov ? table.Column("fov") : 0, volume = has_volume ? table.Column("volume") : 0;
    std::unordered_map<std::string, Cell> cells;
    std::vector<std::string_view> fields;
    while (table.Next(fields)) {
      Cell cell;
      if (!ParsePosition(fields[x], cell.centre.x) || !ParsePosition(fields[y], cell.centre.y) ||
          (has_volume && !ParsePosition(fields[volume], cell.volume)))
        throw DataError("MERSCOPE_POSITION", "{}: line {}: '{}', '{}' is no place in um", path.string(), table.line(),
                        fields[x], fields[y]);
      if (has_fov) cell.fov = fields[fov];
      const std::string name = CellId(fields[id], path, table.line());
      if (!cells.try_emplace(name, std::move(cell)).second)
        throw DataError("MERSCOPE_ID", "{}: line {}: cell {} is there twice", path.string(), table.line(), name);
    }
    return cells;
  }

  // Centres of mass over all planes of a cell.
  static std::unordered_map<std::string, Cell> ReadBoundaries(const fs::path& path) {
    const ParquetTable table(path);
    std::unordered_map<std::string, Cell> cells;
    std::unordered_map<std::string, double> areas;
    table.ForEachBatch({"EntityID", "Geometry"}, [&](const ParquetBatch& batch) {
      for (int64_t row = 0; row < batch.rows(); ++row) {
        if (batch.IsNull(1, row)) continue;
        const std::string name(batch.Text(0, row));
        const OutlineFacts facts = Measure(ParseWkb(batch.Text(1, row)));
        Cell& cell = cells[name];
        const double weight = std::max(facts.area, std::numeric_limits<double>::min());
        cell.centre.x += weight * facts.centre.x;
        cell.centre.y += weight * facts.centre.y;
        areas[name] += weight;
      }
    });
    for (auto& [name, cell] : cells) {
      cell.centre.x /= areas[name];
      cell.centre.y /= areas[name];
    }
    Log("{}: no cell_metadata.csv: cells are where their boundaries are", path.string());
    return cells;
  }

  void AddObservations(const SectionFolder& folder, const fs::path& counts,
                       const std::unordered_map<std::string, Cell>& cells) {
    std::set<std::string> seen;
    std::vector<std::string> names, listed;
    int64_t joined = 0;
    TableReader table(counts);
    std::vector<std::string_view> fields;
    while (table.Next(fields)) {
      const std::string name = CellId(fields[0], counts, table.line());
      if (!seen.insert(name).second)
        throw DataError("MERSCOPE_ID", "{}: line {}: cell {} is there twice", counts.string(), table.line(), name);
      const auto found = cells.find(name);
      Observation observation{data_.sections.size()};
      if (found == cells.end()) {
        observation.centre = {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::quiet_NaN()};
      } else {
        observation.centre = found->second.centre;
        ++joined;
      }
      if (!std::isfinite(observation.centre.x) || !std::isfinite(observation.centre.y))
        observation.unusable = "no_position";
      data_.obs.index.push_back(folder.name + "_" + name);
      data_.observations.push_back(std::move(observation));
      cells_.push_back(name);
      fovs_.push_back(found == cells.end() ? "" : found->second.fov);
      volumes_.push_back(found == cells.end() ? std::numeric_limits<double>::quiet_NaN() : found->second.volume);
      names.push_back(name);
    }
    if (names.empty()) throw DataError("MERSCOPE_COUNTS", "{}: holds no cell: check the file", counts.string());
    for (const auto& [name, cell] : cells) listed.push_back(name);
    RequireJoin({counts, names}, {folder.path, listed}, joined);
  }

  SectionImage ChooseImage(const SectionFolder& folder) {
    fs::path images = options_.images;
    if (!images.empty() && fs::is_directory(images / folder.name)) images /= folder.name;
    if (images.empty()) images = FindNamed(folder.path, kMosaicFolders);
    if (images.empty()) images = folder.path;
    if (!fs::is_directory(images))
      throw MissingFileError("IMAGE_MISSING", "{}: no such folder: check --images", images.string());
    const std::vector<Mosaic> mosaics = FindMosaics(images);
    if (mosaics.empty())
      throw MissingFileError("IMAGE_MISSING",
                             "{}: holds no mosaic_<stain>_z<plane>.tif: name their folder with --images, or pass "
                             "--no_images for a dataset for pretraining",
                             images.string());
    fs::path transform;
    for (const fs::path& place : {images, folder.path})
      if (transform.empty()) transform = FindNamed(place, kTransforms);
    if (transform.empty())
      throw MissingFileError("MERSCOPE_TRANSFORM",
                             "{}: holds no micron_to_mosaic_pixel_transform.csv, which places cells "
                             "on the images",
                             images.string());
    SectionImage image = OfStains(mosaics, images);
    image.pixel_from_section = ReadMatrix3x3(transform, "MERSCOPE_TRANSFORM");
    const Affine& affine = image.pixel_from_section;
    const double stated = 1 / std::sqrt(std::abs(affine.xx * affine.yy - affine.xy * affine.yx));
    image.um_per_px = options_.um_per_px > 0 ? options_.um_per_px : stated;
    data_.provenance["files"].push_back(FileFacts(transform));
    return image;
  }

  // The stains that are asked for, or all, on one plane that all of them have.
  SectionImage OfStains(const std::vector<Mosaic>& mosaics, const fs::path& folder) {
    std::map<std::string, std::map<int64_t, fs::path>> by_stain;
    for (const Mosaic& mosaic : mosaics) by_stain[mosaic.stain][mosaic.plane] = mosaic.path;
    std::vector<std::string> stains;
    for (const auto& [stain, planes] : by_stain) stains.push_back(stain);
    // The nuclear stain first: what looks at one channel looks at it.
    std::stable_partition(stains.begin(), stains.end(), [](const std::string& stain) { return stain == "DAPI"; });
    stains = ChosenChannels(stains, options_.channels, folder);
    std::vector<int64_t> common;
    for (const auto& [plane, path] : by_stain[stains.front()])
      if (std::all_of(stains.begin(), stains.end(),
                      [&](const std::string& stain) { return by_stain[stain].contains(plane); }))
        common.push_back(plane);
    plane_ = options_.z_plane;
    if (plane_ < 0 && !common.empty())
      plane_ = std::find(common.begin(), common.end(), kMiddlePlane) != common.end() ? kMiddlePlane
                                                                                     : common[common.size() / 2];
    if (std::find(common.begin(), common.end(), plane_) == common.end())
      throw MissingFileError("IMAGE_MISSING",
                             "{}: {} have {} in common: choose stains with --channels, and the plane with "
                             "--z_plane",
                             folder.string(), JoinText(stains, ", "),
                             common.empty() ? "no plane" : "not plane " + std::to_string(plane_));
    std::vector<ChannelPlace> places;
    for (const std::string& stain : stains) places.push_back({by_stain[stain][plane_], 0});
    return DescribeChannels(places, stains, data_);
  }

  PrepareOptions options_;
  std::vector<CountTable> tables_;  // of each section
  FeatureColumns columns_;
  int64_t plane_ = -1;
  std::vector<std::string> cells_, fovs_;
  std::vector<double> volumes_;
};

}  // namespace

std::unique_ptr<SectionReader> OpenMerscopeReader(const PrepareOptions& options) {
  return std::make_unique<MerscopeReader>(options);
}

bool LooksLikeMerscope(const fs::path& input) { return !FindSectionFolders(input, "", IsMerscope).empty(); }

}  // namespace genvinci
