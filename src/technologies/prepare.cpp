#include "genvinci/technologies/prepare.h"

#include <algorithm>
#include <array>
#include <unordered_map>
#include <unordered_set>

#include "genvinci/core/error.h"
#include "genvinci/core/log.h"
#include "genvinci/core/text.h"
#include "genvinci/core/version.h"
#include "genvinci/data/split.h"
#include "placement.h"
#include "prepare_rows.h"

namespace genvinci {
namespace {

constexpr double kBlockPatches = 8;
constexpr double kBlockPositions = 8;  // on the array, where spots have no pixels

std::string DropText(const std::map<std::string, int64_t>& dropped) {
  std::vector<std::string> parts;
  for (const auto& [reason, count] : dropped) parts.push_back(fmt::format("{} {}", reason, count));
  return parts.empty() ? "none" : JoinText(parts, ", ");
}

std::string SplitKind(const PrepareOptions& options, const SourceData& data) {
  return options.split.empty() ? data.default_split : options.split;
}

SplitRules MakeRules(const PrepareOptions& options, const SourceData& data, const PatchPlan& plan) {
  SplitRules rules{SplitKind(options, data), options.test_values, options.val_values, options.val_fraction, 0,
                   options.common.seed};
  if (rules.kind == data.default_split && rules.test_values.empty() && rules.val_values.empty() &&
      rules.val_fraction == 0) {
    rules.test_values = data.default_test;
    rules.val_values = data.default_val;
  }
  rules.block_size = static_cast<double>(options.block_size);
  if (rules.block_size <= 0 && data.centres_are_on_array) rules.block_size = kBlockPositions;
  if (rules.block_size <= 0)
    rules.block_size = kBlockPatches * (plan.has_patches() ? static_cast<double>(plan.largest_side()) : data.pitch);
  if (rules.block_size <= 0 && (rules.kind == "block" || rules.val_fraction > 0))
    throw UsageError("SPLIT_BLOCKS", "{}: no size of a block follows from the files: give --block_size", data.name);
  return rules;
}

LeakSubjects Subjects(const Chosen& chosen, double patch_side) {
  return {chosen.obs.index, chosen.patients, chosen.section_of, chosen.x,
          chosen.y,         chosen.profiles, chosen.splits,     patch_side};
}

// Observations that train (or validate) and whose patch reaches into a block that was held out: they are left out, so
// that blocks have a clean border. Returns the rows to keep.
std::vector<int64_t> WithoutBorder(const Chosen& chosen, const SplitResult& split, double patch_side) {
  std::unordered_set<int64_t> border;
  for (const auto& [a, b] : OverlapsAcrossSplits(Subjects(chosen, patch_side))) {
    const int64_t lower = chosen.splits[static_cast<size_t>(a)] < chosen.splits[static_cast<size_t>(b)] ? a : b;
    const int64_t higher = lower == a ? b : a;
    if (split.by_block[static_cast<size_t>(higher)]) border.insert(lower);
  }
  std::vector<int64_t> kept;
  for (size_t k = 0; k < chosen.rows.size(); ++k)
    if (!border.contains(static_cast<int64_t>(k))) kept.push_back(static_cast<int64_t>(k));
  return kept;
}

// The side of patches that can overlap, in px; 0: none.
double OverlapSide(const SourceData& data, const PatchPlan& plan) {
  return data.centres_are_on_array ? 0 : static_cast<double>(plan.largest_side());
}

void SetSplit(const PrepareOptions& options, const SourceData& data, const Survey& survey, const PatchPlan& plan,
              Chosen& chosen, DropCounts& dropped) {
  const SplitSubjects subjects{chosen.obs.index, chosen.sections, chosen.patients, chosen.x, chosen.y, &chosen.obs};
  const SplitResult split = AssignSplits(MakeRules(options, data, plan), subjects);
  chosen.splits = split.splits;
  chosen.blocks = split.blocks;
  const double side = OverlapSide(data, plan);
  if (options.allow_leak || side <= 0) return;
  const std::vector<int64_t> kept = WithoutBorder(chosen, split, side);
  if (kept.size() == chosen.rows.size()) return;
  dropped["block_border"] += static_cast<int64_t>(chosen.rows.size() - kept.size());
  chosen = Keep(data, survey, chosen, kept);
  if (std::find(chosen.splits.begin(), chosen.splits.end(), Split::kTrain) == chosen.splits.end())
    throw DataError("SPLIT_EMPTY",
                    "{}: every training patch reaches into a held-out block: give larger blocks or smaller patches",
                    data.name);
}

// The obs table of the dataset.
DataFrame DatasetObs(const SourceData& data, const Survey& survey, const Chosen& chosen) {
  DataFrame obs = chosen.obs;
  std::vector<std::string> splits;
  for (const Split split : chosen.splits) splits.emplace_back(Name(split));
  obs.Set("section", LabelColumn(chosen.sections));
  obs.Set("patient", LabelColumn(chosen.patients));
  obs.Set("split", LabelColumn(splits));
  if (!data.centres_are_on_array) {
    obs.Set("x", FrameColumn::Floats(chosen.x));
    obs.Set("y", FrameColumn::Floats(chosen.y));
  }
  if (!chosen.blocks.empty()) obs.Set("block", LabelColumn(chosen.blocks));
  obs.Set("n_counts", FrameColumn::Floats(Pick(survey.counts, chosen.rows)));
  obs.Set("n_genes", FrameColumn::Integers(Pick(survey.genes, chosen.rows)));
  return obs;
}

DataFrame DatasetVar(const SourceData& data, const GeneMapping& mapping) {
  DataFrame var = data.var;
  std::vector<std::string> ids;
  for (const Vocabulary::Gene* gene : mapping.gene_of_column) ids.push_back(gene ? gene->ensembl_id : "");
  var.Set("ensg_id", FrameColumn::Strings(std::move(ids)));
  return var;
}

void WriteExpression(const SectionReader& reader, const Chosen& chosen, DataFrame obs, DataFrame var,
                     const fs::path& path) {
  H5adWriter writer(path, std::move(obs), std::move(var));
  if (!reader.data().centres_are_on_array) {
    DenseArray spatial{static_cast<int64_t>(chosen.x.size()), 2, {}};
    for (size_t k = 0; k < chosen.x.size(); ++k)
      spatial.values.insert(spatial.values.end(), {chosen.x[k], chosen.y[k]});
    writer.SetObsm("spatial", spatial);
  }
  for (const auto& [name, array] : reader.data().obsm) writer.SetObsm(name, PickRows(array, chosen.rows));
  size_t next = 0;
  reader.ForEachBatch([&](const SparseRows& rows) {
    SparseRows kept;
    kept.columns = rows.columns;
    kept.first_row = static_cast<int64_t>(next);
    for (; next < chosen.rows.size() && chosen.rows[next] < rows.first_row + rows.rows(); ++next) {
      const int64_t r = chosen.rows[next] - rows.first_row;
      kept.indices.insert(kept.indices.end(), rows.RowIndices(r).begin(), rows.RowIndices(r).end());
      kept.values.insert(kept.values.end(), rows.RowValues(r).begin(), rows.RowValues(r).end());
      kept.offsets.push_back(static_cast<int64_t>(kept.indices.size()));
    }
    if (kept.rows() > 0) writer.Append(kept);
  });
  writer.Finish();
}

// What goes into dataset.json and to the caller.
struct Summary {
  Coverage coverage;
  DropCounts dropped;
  LeakReport leaks;
  std::array<int64_t, 3> sizes{};  // by split
};

Summary Summarize(const Chosen& chosen, Coverage coverage, DropCounts dropped) {
  Summary summary{coverage, std::move(dropped), {}, {}};
  for (const Split split : chosen.splits) ++summary.sizes[static_cast<size_t>(split)];
  return summary;
}

void LogSummary(const Summary& summary, const std::string& source) {
  Log("{}: {}", source, summary.coverage.Text());
  Log("dropped observations: {}", DropText(summary.dropped));
  Log("split: {} train, {} val, {} test", summary.sizes[0], summary.sizes[1], summary.sizes[2]);
  if (summary.sizes[1] + summary.sizes[2] == 0)
    Warn("nothing is held out: --test_values and --val_fraction choose what is");
  Log("leaks: {}", summary.leaks.Text());
  if (summary.leaks.allowed) Warn("this split leaks and is kept as --allow_leak asks: {}", summary.leaks.Text());
}

Json SummaryJson(const Summary& summary) {
  Json json;
  json["observations"] = summary.sizes[0] + summary.sizes[1] + summary.sizes[2];
  json["train"] = summary.sizes[0];
  json["val"] = summary.sizes[1];
  json["test"] = summary.sizes[2];
  json["dropped"] = Json(summary.dropped);
  json["coverage"] = summary.coverage.ToJson();
  return json;
}

DatasetInfo MakeInfo(const PrepareOptions& options, const SourceData& data, const PatchPlan& plan,
                     const Summary& summary) {
  DatasetInfo info;
  info.technology = options.technology;
  if (plan.has_patches()) info.channels = data.channels();
  info.um_per_px = plan.um_per_px;
  info.patch_size = plan.largest_side();
  info.img_size = plan.stored;
  info.value_ranges = plan.ranges;
  info.split_kind = SplitKind(options, data);
  info.same_patient = summary.leaks.same_patient();
  info.label_column = data.label_column;
  for (const auto& [name, column] : data.obs.columns)
    if (name.starts_with("proportion:")) info.proportion_columns.push_back(name);
  info.leak_report = summary.leaks.ToJson();
  info.provenance = data.provenance;
  info.provenance["genvinci"] = kVersion;
  info.provenance["options"] = ToJson(options);
  info.provenance["summary"] = SummaryJson(summary);
  return info;
}

GeneMapping MapColumns(const PrepareOptions& options, const SourceData& data, const Vocabulary& vocabulary) {
  std::unordered_map<std::string, std::string> orthologs;
  if (!options.ortholog_table.empty()) orthologs = ReadOrthologTable(options.ortholog_table);
  return MapGenes(vocabulary, data.gene_names, options.input.empty() ? data.name : options.input, orthologs);
}

fs::path OutputPath(const PrepareOptions& options, const SourceData& data) {
  return options.common.output.empty() ? fs::path("dataset") / data.name : fs::path(options.common.output);
}

}  // namespace

Json Prepare(const PrepareOptions& given) {
  PrepareOptions options = given;
  options.technology = TechnologyOf(given);
  if (given.technology == "auto") Log("{}: laid out as {}", options.input, options.technology);
  const std::unique_ptr<SectionReader> reader = OpenReader(options);
  const SourceData& data = reader->data();
  const fs::path output = OutputPath(options, data);
  StagedFolder staged(output);
  PatchPlan plan = PlanPatches(options, data);
  const Json placement = plan.has_patches() ? CheckPlacement(options, *reader) : Json::object();
  const Vocabulary vocabulary = Vocabulary::Open(options.vocabulary);  // the mapping points into it
  const GeneMapping mapping = MapColumns(options, data, vocabulary);
  const Survey survey = SurveyCounts(*reader, mapping);
  DropCounts dropped = data.dropped;
  Chosen chosen = Choose(data, survey, Filter(options, data, survey, plan, dropped));
  if (chosen.rows.empty())
    throw DataError("NO_OBSERVATIONS",
                    "{}: no observation is left, dropped were: {}: check patch size, positions and filters",
                    options.input, DropText(dropped));
  SetSplit(options, data, survey, plan, chosen, dropped);

  Summary summary = Summarize(chosen, MeasureCoverage(mapping, survey), std::move(dropped));
  summary.leaks = FindLeaks(Subjects(chosen, OverlapSide(data, plan)));
  RefuseLeaks(summary.leaks, options.allow_leak, options.input.empty() ? data.name : options.input);
  LogSummary(summary, data.name);

  WriteExpression(*reader, chosen, DatasetObs(data, survey, chosen), DatasetVar(data, mapping),
                  staged.path() / "expression.h5ad");
  const KeptRows kept{chosen.rows, chosen.splits};
  plan.ranges = ChooseRanges(options, *reader, plan, kept);
  if (plan.has_patches()) WritePatches(*reader, plan, kept, staged.path());
  DatasetInfo info = MakeInfo(options, data, plan, summary);
  if (!placement.empty()) info.provenance["orientation_correlations"] = placement;
  info.name = fs::absolute(output / ".").lexically_normal().parent_path().filename().string();
  WriteJson(staged.path() / "dataset.json", info.ToJson());
  info.content = Dataset::Open(staged.path().string()).content();
  WriteJson(staged.path() / "dataset.json", info.ToJson());
  staged.Commit();
  Log("wrote {}", output.string());

  Json result = SummaryJson(summary);
  result["dataset"] = output.string();
  result["leaks"] = summary.leaks.ToJson();
  return result;
}

}  // namespace genvinci
