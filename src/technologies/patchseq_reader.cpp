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
#include "genvinci/io/table.h"
#include "genvinci/technologies/section_reader.h"
#include "morphology_image.h"
#include "vendor_files.h"

namespace genvinci {
namespace {

constexpr int64_t kNeuronPx = 256;
constexpr double kNeuronUmPerPx = 4;  // 1,024 um across, the depth of a mouse's cortex
constexpr int64_t kPatchseqBatchRows = 256;
constexpr double kUsualSmallest = 20, kUsualLargest = 20000;  // um, of a neuron's extent
constexpr double kMuchCut = 0.1;
// The published errata of Scala et al. 2020: its reconstruction is of another cell.
constexpr const char* kScalaWrong = "20171207_sample_1";

const std::vector<std::string> kCellColumns = {"Cell", "cell id", "cell_id", "transcriptomics_sample_id", "sample_id"};
// What a morphology may be named by, besides the cell.
const std::vector<std::string> kSwcColumns = {"cell_specimen_id", "cell id", "specimen_id"};
const std::vector<std::string> kAnimalColumns = {"Mouse", "donor_id", "donor_name", "patient", "donor"};
const std::vector<std::string> kTypeColumns = {"RNA family", "RNA type", "T-type Label", "t_type", "cell_type"};

bool IsTable(const std::string& name) {
  for (const char* ending : {".csv", ".csv.gz", ".tsv", ".tsv.gz"})
    if (name.ends_with(ending)) return true;
  return false;
}

struct PatchseqFiles {
  fs::path counts, metadata;  // empty: not there
  std::map<std::string, fs::path> swc;
};

// The tables; exon counts before others.
PatchseqFiles FindTables(const fs::path& folder) {
  PatchseqFiles files;
  if (!fs::is_directory(folder)) return files;
  bool is_exon = false;
  for (const fs::path& entry : SortedEntries(folder)) {
    const std::string name = entry.filename().string();
    if (!IsTable(name) || !fs::is_regular_file(entry)) continue;
    const bool counts_exons = name.find("exon") != std::string::npos;
    if (name.find("meta") != std::string::npos) {
      if (files.metadata.empty()) files.metadata = entry;
    } else if (name.find("count") != std::string::npos && (files.counts.empty() || (counts_exons && !is_exon))) {
      files.counts = entry;
      is_exon = counts_exons;
    }
  }
  return files;
}

// Tracings by their names, in the folder and below it.
std::map<std::string, fs::path> FindTracings(const fs::path& folder) {
  if (!fs::is_directory(folder))
    throw MissingFileError("IMAGE_MISSING", "{}: no such folder: check --images", folder.string());
  std::map<std::string, fs::path> found;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(folder))
    if (entry.path().extension() == ".swc") found.emplace(entry.path().stem().string(), entry.path());
  return found;
}

class PatchseqReader : public SectionReader {
 public:
  explicit PatchseqReader(const PrepareOptions& options) : options_(options) {
    PatchseqFiles files = FindTables(options.input);
    if (files.counts.empty())
      throw MissingFileError("PATCHSEQ_COUNTS",
                             "{}: holds no table of counts (<name>count<...>.csv): genes in rows, cells in "
                             "columns",
                             options.input);
    data_.name = FolderName(options.input);
    data_.sections.push_back({data_.name});
    data_.centres_are_on_array = true;
    view_ = {options.patch_size > 0 ? options.patch_size : kNeuronPx,
             options.um_per_px > 0 ? options.um_per_px : kNeuronUmPerPx, options.swc_um_per_unit,
             options.orient == "upright"};
    ReadCounts(files.counts);
    if (!files.metadata.empty()) JoinMetadata(files.metadata);
    if (!options.no_images) {
      files.swc = FindTracings(options.images.empty() ? options.input : options.images);
      JoinMorphologies(files);
    }
    for (const fs::path& path : {files.counts, files.metadata})
      if (!path.empty()) data_.provenance["files"].push_back(FileFacts(path));
  }

  void ForEachBatch(const BatchUser& use) const override {
    SparseRows rows;
    rows.columns = static_cast<int64_t>(genes_.size());
    for (size_t cell = 0; cell < counts_.size(); ++cell) {
      for (const auto& [gene, count] : counts_[cell]) {
        rows.indices.push_back(gene);
        rows.values.push_back(count);
      }
      rows.offsets.push_back(static_cast<int64_t>(rows.indices.size()));
      if (rows.rows() < kPatchseqBatchRows && cell + 1 < counts_.size()) continue;
      use(columns_.Take(rows, 0));
      rows.first_row = static_cast<int64_t>(cell) + 1;
      rows.offsets.assign(1, 0);
      rows.indices.clear();
      rows.values.clear();
    }
  }

  Image Patch(int64_t i) const override { return DrawMorphology(morphologies_[static_cast<size_t>(i)], view_).image; }

 private:
  // The table's columns are cells: it is turned while it is read.
  void ReadCounts(const fs::path& path) {
    TableReader table(path);
    if (table.header().size() < 2)
      throw DataError("PATCHSEQ_COUNTS", "{}: has no cell: expected a row a gene and a column a cell", path.string());
    data_.obs.index.assign(table.header().begin() + 1, table.header().end());
    if (std::set<std::string>(data_.obs.index.begin(), data_.obs.index.end()).size() != data_.obs.index.size())
      throw DataError("PATCHSEQ_COUNTS", "{}: names a cell twice: rename one column", path.string());
    counts_.resize(data_.obs.index.size());
    const double nowhere = std::numeric_limits<double>::quiet_NaN();
    data_.observations.assign(data_.obs.index.size(), {0, {nowhere, nowhere}});
    std::vector<std::string_view> fields;
    while (table.Next(fields)) {
      const auto gene = static_cast<int32_t>(genes_.size());
      genes_.push_back({std::string(fields[0]), std::string(fields[0])});
      for (size_t k = 1; k < fields.size(); ++k) {
        if (fields[k] == "0") continue;
        const double count = table.Number(fields, k);
        if (count < 0 || count != std::floor(count))
          throw DataError("NOT_COUNTS", "{}: line {}, cell '{}': {} is no count: give the table of raw counts",
                          path.string(), table.line(), table.header()[k], fields[k]);
        if (count > 0) counts_[k - 1].emplace_back(gene, static_cast<float>(count));
      }
    }
    columns_.Add(genes_);
    columns_.Describe(data_, path.string());
  }

  static size_t ColumnIn(const TableReader& table, const std::vector<std::string>& names) {
    for (const std::string& name : names)
      if (table.HasColumn(name)) return table.Column(name);
    return table.header().size();
  }

  // Allen's tables name the sample that was sequenced and the specimen that was traced; Scala's one cell.
  void JoinMetadata(const fs::path& path) {
    TableReader table(path);
    const size_t cell = ColumnIn(table, kCellColumns), swc = ColumnIn(table, kSwcColumns);
    const size_t animal = ColumnIn(table, kAnimalColumns);
    size_t type = ColumnIn(table, kTypeColumns);
    // Allen's table names its transcriptomic types in a column without a name.
    if (type == table.header().size() && table.HasColumn("transcriptomics_sample_id")) type = ColumnIn(table, {""});
    if (cell == table.header().size())
      throw DataError("PATCHSEQ_METADATA", "{}: has none of the columns {}, which name cells", path.string(),
                      JoinText(kCellColumns, ", "));
    std::unordered_map<std::string, size_t> index;
    for (size_t i = 0; i < data_.obs.index.size(); ++i) index[data_.obs.index[i]] = i;
    std::vector<std::string> labels(index.size()), animals(index.size()), listed;
    swc_names_.resize(index.size());
    int64_t joined = 0;
    std::vector<std::string_view> fields;
    while (table.Next(fields)) {
      if (listed.size() < 3) listed.emplace_back(fields[cell]);
      const auto found = index.find(std::string(fields[cell]));
      if (found == index.end()) continue;
      ++joined;
      const size_t i = found->second;
      if (swc < fields.size()) swc_names_[i] = fields[swc];
      if (animal < fields.size()) animals[i] = data_.observations[i].patient = fields[animal];
      if (type < fields.size()) labels[i] = fields[type];
    }
    RequireJoin({path, data_.obs.index}, {path, listed}, joined);
    if (animal < table.header().size()) data_.default_split = "patient";
    if (type == table.header().size()) return;
    data_.label_column = "label";
    data_.obs.Set("label", LabelColumn(labels));
  }

  // "" where there is none: by the cell's name, or by the specimen's, with what tools put after it.
  fs::path MorphologyOf(size_t i, const PatchseqFiles& files) const {
    std::vector<std::string> names = {data_.obs.index[i]};
    if (i < swc_names_.size() && !swc_names_[i].empty()) names.push_back(swc_names_[i]);
    for (const std::string& name : names)
      for (const char* ending : {"", "_upright", "_transformed", "_m"}) {
        const auto found = files.swc.find(name + ending);
        if (found != files.swc.end()) return found->second;
      }
    return {};
  }

  void JoinMorphologies(const PatchseqFiles& files) {
    if (files.swc.empty())
      throw MissingFileError("IMAGE_MISSING",
                             "{}: holds no .swc: name the morphologies' folder with --images, or pass "
                             "--no_images for a dataset for pretraining",
                             options_.input);
    data_.ready_patches = {view_.size, {"soma", "axon", "dendrite"}, 8, view_.um_per_px};
    morphologies_.resize(data_.observations.size());
    std::vector<std::string> broken, odd, cut;
    int64_t joined = 0;
    for (size_t i = 0; i < data_.observations.size(); ++i) {
      const fs::path path = MorphologyOf(i, files);
      if (path.empty()) {
        data_.observations[i].unusable = "no_morphology";
        continue;
      }
      ++joined;
      if (data_.obs.index[i] == kScalaWrong) {
        Log("{}: is of another cell, as its authors published: it is left out", path.string());
        data_.observations[i].unusable = "wrong_morphology";
        continue;
      }
      try {
        morphologies_[i] = ReadSwc(path);
      } catch (const DataError& error) {
        data_.observations[i].unusable = "bad_morphology";
        broken.push_back(error.what());
        continue;
      }
      const double extent = Extent(morphologies_[i]) * view_.um_per_unit;
      if (extent < kUsualSmallest || extent > kUsualLargest)
        odd.push_back(fmt::format("{} is {:.0f} um across", path.filename().string(), extent));
      if (DrawMorphology(morphologies_[i], view_).share_cut > kMuchCut) cut.push_back(path.filename().string());
    }
    std::vector<std::string> there;
    for (const auto& [name, path] : files.swc)
      if (there.size() < 3) there.push_back(name);
    RequireJoin({options_.input, data_.obs.index}, {files.swc.begin()->second.parent_path(), there}, joined);
    WarnOf(broken, "morphologies cannot be read and are dropped");
    WarnOf(odd, "morphologies have a size that no neuron has in um: --swc_um_per_unit gives their unit");
    WarnOf(cut, "morphologies reach out of the image by more than a tenth of their length: give a larger --patch_size");
    data_.provenance["morphology"] = {
        {"um_per_px", view_.um_per_px}, {"orient", options_.orient}, {"um_per_unit", view_.um_per_unit}};
  }

  static double Extent(const Swc& swc) {
    const auto [low_x, high_x] = std::minmax_element(swc.points.begin(), swc.points.end(),
                                                     [](const auto& a, const auto& b) { return a.x < b.x; });
    const auto [low_y, high_y] = std::minmax_element(swc.points.begin(), swc.points.end(),
                                                     [](const auto& a, const auto& b) { return a.y < b.y; });
    return std::max(high_x->x - low_x->x, high_y->y - low_y->y);
  }

  static void WarnOf(std::vector<std::string> which, const std::string& what) {
    if (which.empty()) return;
    const size_t count = which.size();
    which.resize(std::min<size_t>(count, 3));
    Warn("{} {}: {}{}", count, what, JoinText(which, "; "), count > 3 ? "; ..." : "");
  }

  PrepareOptions options_;
  MorphologyView view_;
  FeatureColumns columns_;
  std::vector<Feature> genes_;
  std::vector<std::vector<std::pair<int32_t, float>>> counts_;  // of each cell
  std::vector<std::string> swc_names_;                          // of each cell, by the metadata
  std::vector<Swc> morphologies_;
};

}  // namespace

std::unique_ptr<SectionReader> OpenPatchseqReader(const PrepareOptions& options) {
  return std::make_unique<PatchseqReader>(options);
}

bool LooksLikePatchseq(const fs::path& input) {
  return !FindTables(input).counts.empty() && !FindTracings(input).empty();
}

}  // namespace genvinci
