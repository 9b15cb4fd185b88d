#include <algorithm>
#include <cmath>
#include <limits>
#include <unordered_map>

#include "feature_columns.h"
#include "genvinci/core/error.h"
#include "genvinci/core/json.h"
#include "genvinci/core/log.h"
#include "genvinci/core/text.h"
#include "genvinci/io/outline.h"
#include "genvinci/io/tenx_matrix.h"
#include "genvinci/technologies/section_reader.h"
#include "vendor_files.h"
#include "vendor_table.h"

namespace genvinci {
namespace {

constexpr double kXeniumPatchUm = 32;
constexpr int64_t kXeniumBatchRows = 1024;
constexpr int64_t kNewestXenium = 4;

const std::vector<std::string> kExperiment = {"experiment.xenium"};
const std::vector<std::string> kXeniumCells = {"cells.parquet", "cells.csv.gz", "cells.csv"};
const std::vector<std::string> kNuclei = {"nucleus_boundaries.parquet", "nucleus_boundaries.csv.gz",
                                          "nucleus_boundaries.csv"};
const std::vector<std::string> kXeniumMatrix = {"cell_feature_matrix.h5", "cell_feature_matrix"};
const std::vector<std::string> kAlignments = {"he_imagealignment.csv", "he_alignment.csv", "imagealignment.csv"};
// Of software 2 and 3, whose files are numbered.
const std::vector<std::string> kFocusStains = {"DAPI", "ATP1A1/CD45/E-Cadherin", "18S", "AlphaSMA/Vimentin"};

bool IsXenium(const fs::path& folder) { return !FindNamed(folder, kExperiment).empty(); }

struct Experiment {
  std::string version;
  double um_per_px = 0;
};

Experiment ReadExperiment(const fs::path& path) {
  const Json json = ReadJson(path);
  Experiment experiment;
  if (json.is_object() && json.contains("analysis_sw_version") && json["analysis_sw_version"].is_string())
    experiment.version = json["analysis_sw_version"];
  // What was segmented anew is laid out as the ranger's version says.
  if (json.is_object() && json.contains("xenium_ranger") && json["xenium_ranger"].is_object() &&
      json["xenium_ranger"].contains("version") && json["xenium_ranger"]["version"].is_string())
    experiment.version = json["xenium_ranger"]["version"];
  const size_t dash = experiment.version.find('-');
  int64_t major = 0;
  if (dash == std::string::npos ||
      !ParseInteger(std::string_view(experiment.version).substr(dash + 1, experiment.version.find('.') - dash - 1),
                    major) ||
      major < 1 || major > kNewestXenium)
    throw DataError("XENIUM_VERSION", "{}: software '{}': versions 1 to {} are read", path.string(), experiment.version,
                    kNewestXenium);
  const auto size = json.find("pixel_size");
  if (size == json.end() || !size->is_number() || !(size->get<double>() > 0))
    throw DataError("XENIUM_SCALE", "{}: states no pixel_size above 0: fetch it again", path.string());
  experiment.um_per_px = *size;
  return experiment;
}

Affine Inverse(const Affine& m) {
  const double det = m.xx * m.yy - m.xy * m.yx;
  Affine inverse{m.yy / det, -m.xy / det, 0, -m.yx / det, m.xx / det, 0};
  inverse.x0 = -(inverse.xx * m.x0 + inverse.xy * m.y0);
  inverse.y0 = -(inverse.yx * m.x0 + inverse.yy * m.y0);
  return inverse;
}

class XeniumReader : public SectionReader {
 public:
  explicit XeniumReader(const PrepareOptions& options) : options_(options) {
    const std::vector<SectionFolder> folders =
        ChosenSections(FindSectionFolders(options.input, "outs", IsXenium), options.sections, options.input);
    if (folders.empty())
      throw MissingFileError("XENIUM_MISSING",
                             "{}: neither it nor its folders hold experiment.xenium: give the output "
                             "folder of the instrument",
                             options.input);
    data_.name = folders.size() == 1 ? folders[0].name : FolderName(options.input);
    data_.default_split = folders.size() == 1 ? "block" : "section";
    data_.default_patch_um = kXeniumPatchUm;
    for (const SectionFolder& folder : folders) AddSection(folder, folders.size() == 1);
    columns_.Describe(data_, options.input);
    data_.obs.Set("cell_id", FrameColumn::Strings(std::move(ids_)));
    data_.obs.Set("cell_area", FrameColumn::Floats(std::move(cell_areas_)));
    data_.obs.Set("nucleus_area", FrameColumn::Floats(std::move(nucleus_areas_)));
    if (std::any_of(labels_.begin(), labels_.end(), [](const std::string& label) { return !label.empty(); })) {
      data_.label_column = "label";
      data_.obs.Set("label", LabelColumn(labels_));
    }
  }

  void ForEachBatch(const BatchUser& use) const override {
    int64_t first_row = 0;
    for (size_t s = 0; s < matrices_.size(); ++s) {
      matrices_[s]->ForEachBatch(kXeniumBatchRows, [&](const SparseRows& rows) {
        SparseRows taken = columns_.Take(rows, s);
        RequireWholeCounts(taken, matrices_[s]->path(), matrices_[s]->barcodes());
        taken.first_row += first_row;
        use(taken);
      });
      first_row += static_cast<int64_t>(matrices_[s]->barcodes().size());
    }
  }

 private:
  struct Cell {
    Point centre;  // um
    double cell_area = std::numeric_limits<double>::quiet_NaN();
    double nucleus_area = std::numeric_limits<double>::quiet_NaN();
  };
  using Cells = std::unordered_map<std::string, Cell>;

  void AddSection(const SectionFolder& folder, bool is_only) {
    const Experiment experiment = ReadExperiment(FindNamed(folder.path, kExperiment));
    if (data_.version.empty()) data_.version = experiment.version;
    const fs::path cells_path = Need(folder.path, kXeniumCells), matrix_path = Need(folder.path, kXeniumMatrix);
    Cells cells = ReadCells(cells_path);
    if (options_.unit == "nucleus") PlaceAtNuclei(Need(folder.path, kNuclei), cells);
    matrices_.push_back(TenxMatrix::Open(matrix_path));
    std::vector<Feature> features;
    for (const TenxFeature& feature : matrices_.back()->features())
      features.push_back({feature.id, feature.name, feature.type});
    columns_.Add(features);
    AddObservations(folder, cells_path, cells);
    Section section{folder.name};
    if (!options_.no_images) {
      section.images.push_back(ChooseImage(folder, experiment.um_per_px, is_only));
      const SectionImage& image = section.images.back();
      Log("{}: {} of {} x {} px, {:.4f} um per px", folder.name, JoinText(image.channels, ", "), image.width,
          image.height, image.um_per_px);
      data_.provenance["files"].push_back(FileFacts(image.path));
    }
    for (const fs::path& path : {cells_path, matrix_path}) data_.provenance["files"].push_back(FileFacts(path));
    data_.sections.push_back(std::move(section));
  }

  static fs::path Need(const fs::path& folder, const std::vector<std::string>& names) {
    const fs::path found = FindNamed(folder, names);
    if (found.empty())
      throw MissingFileError("XENIUM_MISSING", "{}: holds no {}: fetch it", folder.string(), JoinText(names, " or "));
    return found;
  }

  static Cells ReadCells(const fs::path& path) {
    const VendorTable table(path);
    std::vector<std::string> columns = {"cell_id", "x_centroid", "y_centroid"};
    size_t cell_area = 0, nucleus_area = 0;  // 0: not there
    for (const auto& [name, place] : {std::pair{"cell_area", &cell_area}, {"nucleus_area", &nucleus_area}}) {
      if (!table.HasColumn(name)) continue;
      *place = columns.size();
      columns.emplace_back(name);
    }
    Cells cells;
    table.ForEachRow(columns, [&](const VendorRow& row) {
      Cell cell{{row.Number(1), row.Number(2)}};
      if (cell_area > 0) cell.cell_area = row.Number(cell_area);
      if (nucleus_area > 0) cell.nucleus_area = row.Number(nucleus_area);
      const std::string id = row.Text(0);
      if (!cells.try_emplace(id, cell).second)
        throw DataError("XENIUM_CELLS", "{}: cell {} is there twice: fetch it again", path.string(), id);
    });
    return cells;
  }

  // Moves each cell to the largest of its nuclei; cells without one have no place.
  static void PlaceAtNuclei(const fs::path& path, Cells& cells) {
    std::unordered_map<std::string, OutlineFacts> largest;
    const VendorTable table(path);
    // A cell's nuclei differ by label_id, from software 2 on.
    std::vector<std::string> columns = {"cell_id", "vertex_x", "vertex_y"};
    if (table.HasColumn("label_id")) columns.emplace_back("label_id");
    std::string id, label;
    Outline outline;
    const auto close = [&] {
      if (outline.rings.empty()) return;
      const OutlineFacts facts = Measure(outline);
      OutlineFacts& kept = largest[id];
      if (facts.area >= kept.area) kept = facts;
      outline.rings.clear();
    };
    table.ForEachRow(columns, [&](const VendorRow& row) {
      const std::string next = row.Text(0), next_label = columns.size() > 3 ? row.Text(3) : "";
      if (next != id || next_label != label) close();
      id = next;
      label = next_label;
      if (outline.rings.empty()) outline.rings.emplace_back();
      outline.rings[0].push_back({row.Number(1), row.Number(2)});
    });
    close();
    for (auto& [name, cell] : cells) {
      const auto found = largest.find(name);
      const double none = std::numeric_limits<double>::quiet_NaN();
      cell.centre = found == largest.end() ? Point{none, none} : Point{found->second.centre.x, found->second.centre.y};
    }
  }

  void AddObservations(const SectionFolder& folder, const fs::path& path, const Cells& cells) {
    const TenxMatrix& matrix = *matrices_.back();
    const auto clusters = ReadClusters(folder.path);
    int64_t joined = 0;
    std::vector<std::string> listed;
    for (const auto& [name, cell] : cells)
      if (listed.size() < 3) listed.push_back(name);
    for (const std::string& id : matrix.barcodes()) {
      const auto found = cells.find(id);
      const double none = std::numeric_limits<double>::quiet_NaN();
      const Cell cell = found == cells.end() ? Cell{{none, none}} : found->second;
      Observation observation{data_.sections.size(), cell.centre};
      if (!std::isfinite(cell.centre.x) || !std::isfinite(cell.centre.y))
        observation.unusable = options_.unit == "nucleus" && found != cells.end() ? "no_nucleus" : "no_position";
      joined += found != cells.end();
      const auto cluster = clusters.find(id);
      data_.obs.index.push_back(folder.name + "_" + id);
      data_.observations.push_back(std::move(observation));
      ids_.push_back(id);
      cell_areas_.push_back(cell.cell_area);
      nucleus_areas_.push_back(cell.nucleus_area);
      labels_.push_back(cluster == clusters.end() ? "" : cluster->second);
    }
    RequireJoin({matrix.path(), matrix.barcodes()}, {path, listed}, joined);
  }

  // The instrument's stains, a file each, or all of one file of software 1.
  SectionImage FocusImage(const fs::path& folder) const {
    std::vector<std::string> stains;
    std::vector<fs::path> files;
    const fs::path focus = folder / "morphology_focus";
    if (fs::is_directory(focus)) {
      for (const fs::path& entry : SortedEntries(focus)) {
        const std::string name = entry.filename().string();
        const size_t end = name.find(".ome.tif");
        if (end == std::string::npos) continue;
        files.push_back(entry);
        // ch0001_<stain> of software 4; numbered before.
        const size_t start = name.find('_');
        stains.push_back(name.starts_with("ch") && start < end ? name.substr(start + 1, end - start - 1)
                         : stains.size() < kFocusStains.size() ? kFocusStains[stains.size()]
                                                               : fmt::format("channel_{}", stains.size()));
        if (stains.back() == "dapi") stains.back() = "DAPI";
      }
    } else if (const fs::path one = FindNamed(folder, {"morphology_focus.ome.tif", "morphology_mip.ome.tif"});
               !one.empty()) {
      files = {one};
      stains = {"DAPI"};
    }
    if (files.empty())
      throw MissingFileError("IMAGE_MISSING",
                             "{}: holds no morphology_focus: fetch it, give an aligned image with --images, or pass "
                             "--no_images for a dataset for pretraining",
                             folder.string());
    std::vector<ChannelPlace> places;
    const std::vector<std::string> chosen = ChosenChannels(stains, options_.channels, folder);
    for (const std::string& stain : chosen)
      places.push_back(
          {files[static_cast<size_t>(std::find(stains.begin(), stains.end(), stain) - stains.begin())], 0});
    return DescribeChannels(places, chosen, data_);
  }

  // Px of the user's image -> px of the instrument's.
  Affine ReadAlignment(const fs::path& image, const fs::path& bundle) const {
    fs::path path = options_.image_alignment;
    for (const fs::path& folder : {image.parent_path(), bundle})
      if (path.empty()) path = FindNamed(folder.empty() ? "." : folder, kAlignments);
    if (path.empty())
      throw MissingFileError("XENIUM_ALIGNMENT",
                             "{}: no <name>_he_imagealignment.csv beside it: export the alignment from "
                             "Xenium Explorer and name it with --image_alignment",
                             image.string());
    return ReadMatrix3x3(path, "XENIUM_ALIGNMENT");
  }

  SectionImage ChooseImage(const SectionFolder& folder, double um_per_px, bool is_only) const {
    const double px_per_um = 1 / um_per_px;
    if (options_.images.empty()) {
      SectionImage image = FocusImage(folder.path);
      image.pixel_from_section = {px_per_um, 0, 0, 0, px_per_um, 0};
      image.um_per_px = options_.um_per_px > 0 ? options_.um_per_px : um_per_px;
      return image;
    }
    if (!options_.channels.empty())
      throw UsageError("CHANNELS", "--channels: chooses the instrument's stains; leave it out with --images");
    const fs::path path = FindUserImage(options_.images, folder.name, is_only);
    SectionImage image = DescribeImage(path, data_);
    const Affine alignment = ReadAlignment(path, folder.path), back = Inverse(alignment);
    image.pixel_from_section = {back.xx * px_per_um, back.xy * px_per_um, back.x0,
                                back.yx * px_per_um, back.yy * px_per_um, back.y0};
    const double area = std::abs(alignment.xx * alignment.yy - alignment.xy * alignment.yx);
    image.um_per_px = options_.um_per_px > 0 ? options_.um_per_px : um_per_px * std::sqrt(area);
    return image;
  }

  PrepareOptions options_;
  std::vector<std::unique_ptr<TenxMatrix>> matrices_;  // of each section
  FeatureColumns columns_;
  std::vector<std::string> ids_, labels_;
  std::vector<double> cell_areas_, nucleus_areas_;
};

}  // namespace

std::unique_ptr<SectionReader> OpenXeniumReader(const PrepareOptions& options) {
  return std::make_unique<XeniumReader>(options);
}

bool LooksLikeXenium(const fs::path& input) { return !FindSectionFolders(input, "outs", IsXenium).empty(); }

}  // namespace genvinci
