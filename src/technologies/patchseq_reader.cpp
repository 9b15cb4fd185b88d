#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <unordered_map>
#include <utility>

#include "feature_columns.h"
#include "genvinci/core/error.h"
#include "genvinci/core/log.h"
#include "genvinci/core/text.h"
#include "genvinci/io/table.h"
#include "genvinci/technologies/section_reader.h"
#include "morphology_image.h"
#include "patchseq_files.h"
#include "vendor_files.h"

namespace genvinci {
namespace {

constexpr int64_t kNeuronPx = 256;
// 1,536 um across: 98.9 % of the 646 traced cells of Scala et al. 2020 reach no further than half of it from their soma
// (their published features; of 1,024 um it would be 78 %).
constexpr double kNeuronUmPerPx = 6;
constexpr int64_t kPatchseqBatchRows = 256;
constexpr double kUsualSmallest = 20, kUsualLargest = 5000;  // um, of a neuron's extent
constexpr double kMuchCut = 0.1;
// The published errata of Scala et al. 2020: its reconstruction is of another cell.
constexpr const char* kScalaWrong = "20171207_sample_1";

const std::vector<std::string> kCellColumns = {"Cell", "cell id", "cell_id", "transcriptomics_sample_id", "sample_id"};
// What a morphology may be named by, besides the cell.
const std::vector<std::string> kSwcColumns = {"cell_specimen_id", "cell id", "specimen_id"};
const std::vector<std::string> kAnimalColumns = {"Mouse", "donor_id", "donor_name", "patient", "donor"};
const std::vector<std::string> kTypeColumns = {"RNA family", "RNA type", "T-type Label", "t_type", "cell_type"};

// Rows of a table of metadata, by what its columns are known to mean.
struct MetadataColumns {
  explicit MetadataColumns(const TableReader& table) : none(table.header().size()) {
    const auto first_of = [&](const std::vector<std::string>& names) {
      for (const std::string& name : names)
        if (table.HasColumn(name)) return table.Column(name);
      return none;
    };
    cell = first_of(kCellColumns);
    tracing = first_of(kSwcColumns);
    animal = first_of(kAnimalColumns);
    type = first_of(kTypeColumns);
    // Allen's table names its transcriptomic types in a column without a name.
    if (type == none && table.HasColumn("transcriptomics_sample_id")) type = first_of({""});
  }
  size_t none, cell, tracing, animal, type;  // none: there is no such column
};

// What was noticed of the tracings.
struct TracingNotes {
  std::vector<std::string> broken, odd, cut, upright;
};

class PatchseqReader : public SectionReader {
 public:
  explicit PatchseqReader(const PrepareOptions& options) : options_(options) {
    const PatchseqTables tables = FindPatchseqTables(options.input);
    RequireCountTable(tables);
    data_.name = FolderName(options.input);
    data_.sections.push_back({data_.name});
    data_.centres_are_on_array = true;
    view_ = {options.patch_size > 0 ? options.patch_size : kNeuronPx,
             options.um_per_px > 0 ? options.um_per_px : kNeuronUmPerPx, options.swc_um_per_unit,
             options.orient == "upright"};
    ReadCounts(tables.counts);
    const fs::path metadata = MetadataOf(tables);
    if (!metadata.empty()) JoinMetadata(metadata);
    if (!options.no_images) JoinMorphologies(FindTracings(options.images.empty() ? options.input : options.images));
    for (const fs::path& path : {tables.counts, metadata})
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

  // Read once more, since all tracings together may be larger than memory.
  Image Patch(int64_t i) const override {
    return DrawMorphology(ReadSwc(tracings_[static_cast<size_t>(i)]), view_).image;
  }

 private:
  void RequireCountTable(const PatchseqTables& tables) const {
    if (!tables.packed_counts.empty())
      throw MissingFileError("PATCHSEQ_COUNTS", "{}: is packed: unpack it into {} (tar -xf, then move the .csv there)",
                             tables.packed_counts.string(), options_.input);
    if (tables.counts.empty())
      throw MissingFileError("PATCHSEQ_COUNTS",
                             "{}: holds no table of counts (<name>count<...>.csv): genes in rows, cells in columns",
                             options_.input);
    std::vector<std::string> left;
    for (const fs::path& path : tables.left_counts) left.push_back(path.filename().string());
    Log("counts: {}{}", tables.counts.filename().string(), left.empty() ? "" : ", not " + JoinText(left, ", "));
  }

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

  std::unordered_map<std::string, size_t> CellIndex() const {
    std::unordered_map<std::string, size_t> index;
    for (size_t i = 0; i < data_.obs.index.size(); ++i) index[data_.obs.index[i]] = i;
    return index;
  }

  // Of several tables the one that has the most of the cells; the first, where none has any. Empty: no table.
  fs::path MetadataOf(const PatchseqTables& tables) {
    if (tables.metadata.empty())
      data_.missing.push_back("metadata (<name>meta<...>.csv): animals and types of the cells are not known");
    if (tables.metadata.size() < 2) return tables.metadata.empty() ? fs::path() : tables.metadata[0];
    const auto index = CellIndex();
    std::pair<int64_t, fs::path> best = {-1, {}};
    for (const fs::path& path : tables.metadata) {
      TableReader table(path);
      const MetadataColumns columns(table);
      int64_t joined = 0;
      std::vector<std::string_view> fields;
      while (columns.cell != columns.none && table.Next(fields))
        joined += index.contains(std::string(fields[columns.cell]));
      if (joined > best.first) best = {joined, path};
    }
    Log("metadata: {}, which has the most of the cells", best.second.filename().string());
    return best.second;
  }

  // Allen's tables name the sample that was sequenced and the specimen that was traced; Scala's one cell.
  void JoinMetadata(const fs::path& path) {
    TableReader table(path);
    const MetadataColumns columns(table);
    if (columns.cell == columns.none)
      throw DataError("PATCHSEQ_METADATA", "{}: has none of the columns {}, which name cells", path.string(),
                      JoinText(kCellColumns, ", "));
    is_scala_ = table.HasColumn("Mouse") && table.HasColumn("RNA family");
    const auto index = CellIndex();
    std::vector<std::string> labels(index.size()), listed;
    traced_as_.resize(index.size());
    int64_t joined = 0;
    std::vector<std::string_view> fields;
    while (table.Next(fields)) {
      if (listed.size() < 3) listed.emplace_back(fields[columns.cell]);
      const auto found = index.find(std::string(fields[columns.cell]));
      if (found == index.end()) continue;
      ++joined;
      const size_t i = found->second;
      if (columns.tracing != columns.none) traced_as_[i] = fields[columns.tracing];
      if (columns.animal != columns.none) data_.observations[i].patient = fields[columns.animal];
      if (columns.type != columns.none) labels[i] = fields[columns.type];
    }
    RequireJoin({path, data_.obs.index}, {path, listed}, joined);
    if (columns.animal != columns.none) data_.default_split = "patient";
    if (columns.type == columns.none) return;
    data_.label_column = "label";
    data_.obs.Set("label", LabelColumn(labels));
  }

  void JoinMorphologies(const Tracings& tracings) {
    if (tracings.empty())
      throw MissingFileError("IMAGE_MISSING",
                             "{}: holds no .swc: name the morphologies' folder with --images, or pass "
                             "--no_images for a dataset for pretraining",
                             options_.images.empty() ? options_.input : options_.images);
    data_.ready_patches = {view_.size, {"soma", "axon", "dendrite"}, 8, view_.um_per_px};
    const size_t n = data_.observations.size();
    tracings_.resize(n);
    for (auto* column : {&axon_um_, &dendrite_um_, &share_cut_})
      column->assign(n, std::numeric_limits<double>::quiet_NaN());
    TracingNotes notes;
    int64_t joined = 0;
    for (size_t i = 0; i < n; ++i) {
      std::vector<std::string> names = {data_.obs.index[i]};
      if (i < traced_as_.size() && !traced_as_[i].empty()) names.push_back(traced_as_[i]);
      tracings_[i] = TracingOf(tracings, names, view_.is_upright);
      if (tracings_[i].empty()) {
        data_.observations[i].unusable = "no_morphology";
        continue;
      }
      ++joined;
      if (is_scala_ && data_.obs.index[i] == kScalaWrong) {
        Log("{}: is of another cell, as its authors published: it is left out", tracings_[i].string());
        data_.observations[i].unusable = "wrong_morphology";
        continue;
      }
      Examine(i, notes);
    }
    std::vector<std::string> there;
    for (const auto& [name, paths] : tracings)
      if (there.size() < 3) there.push_back(name);
    RequireJoin({options_.input, data_.obs.index}, {tracings.begin()->second[0].parent_path(), there}, joined);
    Report(notes, joined);
  }

  // Reads a cell's tracing, and notes what is odd about it.
  void Examine(size_t i, TracingNotes& notes) {
    const fs::path& path = tracings_[i];
    const std::string name = path.filename().string();
    Swc swc;
    try {
      swc = ReadSwc(path);
    } catch (const DataError& error) {
      data_.observations[i].unusable = "bad_morphology";
      notes.broken.push_back(error.what());
      return;
    }
    const SwcFacts facts = FactsOf(swc);
    const double extent = view_.um_per_unit * std::max(facts.high[0] - facts.low[0], facts.high[1] - facts.low[1]);
    if (extent < kUsualSmallest || extent > kUsualLargest)
      notes.odd.push_back(fmt::format("{} is {:.0f} um across{}", name, extent,
                                      swc.unit_notes.empty() ? "" : " (its comment: " + swc.unit_notes[0] + ")"));
    if (!view_.is_upright && IsNamedUpright(path)) notes.upright.push_back(name);
    share_cut_[i] = DrawMorphology(swc, view_).share_cut;
    if (share_cut_[i] > kMuchCut) notes.cut.push_back(fmt::format("{} by {:.0f} %", name, 100 * share_cut_[i]));
    axon_um_[i] = dendrite_um_[i] = 0;
    for (const auto& [type, length] : facts.length_of_type)
      (type == kSwcAxon ? axon_um_ : dendrite_um_)[i] += view_.um_per_unit * length;
    zero_radii_ += facts.zero_radii;
    without_soma_ += facts.soma == SwcSoma::kNone;
  }

  void Report(const TracingNotes& notes, int64_t joined) {
    if (static_cast<int64_t>(notes.broken.size()) == joined)
      throw DataError("MORPHOLOGY_NONE", "{}: none of {} morphologies can be read, the first because of: {}",
                      options_.input, joined, notes.broken[0]);
    WarnOf(notes.broken, "morphologies cannot be read and are dropped");
    WarnOf(notes.odd, "morphologies have a size that no neuron has in um: --swc_um_per_unit gives their unit");
    WarnOf(notes.cut,
           "morphologies reach out of the image by more than a tenth of their length: give a larger "
           "--patch_size or --um_per_px");
    WarnOf(notes.upright,
           "morphologies are named upright, so that their y counts towards the pia, and are drawn as if "
           "it counted down: give --orient upright");
    data_.obs.Set("axon_um", FrameColumn::Floats(axon_um_));
    data_.obs.Set("dendrite_um", FrameColumn::Floats(dendrite_um_));
    data_.obs.Set("share_cut", FrameColumn::Floats(share_cut_));
    data_.provenance["morphology"] = {{"um_per_px", view_.um_per_px},     {"orient", options_.orient},
                                      {"um_per_unit", view_.um_per_unit}, {"points_of_radius_0", zero_radii_},
                                      {"without_soma", without_soma_},    {"much_cut", notes.cut.size()}};
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
  std::vector<std::string> traced_as_;                          // of each cell, by the metadata
  std::vector<fs::path> tracings_;                              // of each cell; empty: none
  std::vector<double> axon_um_, dendrite_um_, share_cut_;
  int64_t zero_radii_ = 0, without_soma_ = 0;
  bool is_scala_ = false;
};

}  // namespace

std::unique_ptr<SectionReader> OpenPatchseqReader(const PrepareOptions& options) {
  return std::make_unique<PatchseqReader>(options);
}

bool LooksLikePatchseq(const fs::path& input) {
  const PatchseqTables tables = FindPatchseqTables(input);
  return !(tables.counts.empty() && tables.packed_counts.empty()) && !FindTracings(input).empty();
}

}  // namespace genvinci
