#include "prepare_rows.h"

#include "genvinci/core/error.h"
#include "genvinci/core/signals.h"

namespace genvinci {
namespace {

// Why an observation is left out, or "".
std::string Refusal(const PrepareOptions& options, const SourceData& data, const Survey& survey, const PatchPlan& plan,
                    size_t i) {
  if (!data.observations[i].unusable.empty()) return data.observations[i].unusable;
  if (survey.counts[i] <= 0) return "no_counts";
  if (survey.known_counts[i] <= 0) return "no_known_gene";
  if (survey.counts[i] < options.min_counts) return "min_counts";
  if (survey.genes[i] < options.min_genes) return "min_genes";
  return PatchFits(data, plan, static_cast<int64_t>(i)) ? "" : "outside_image";
}

FrameColumn PickColumn(const FrameColumn& column, const std::vector<int64_t>& rows) {
  FrameColumn picked = column;
  if (column.kind == FrameColumn::Kind::kString) picked.strings = Pick(column.strings, rows);
  if (!column.integers.empty()) picked.integers = Pick(column.integers, rows);
  if (!column.floats.empty()) picked.floats = Pick(column.floats, rows);
  if (!column.missing.empty()) picked.missing = Pick(column.missing, rows);
  return picked;
}

DataFrame PickRows(const DataFrame& frame, const std::vector<int64_t>& rows) {
  DataFrame picked;
  picked.index = Pick(frame.index, rows);
  for (const auto& [name, column] : frame.columns) picked.Set(name, PickColumn(column, rows));
  return picked;
}

}  // namespace

Survey SurveyCounts(const SectionReader& reader, const GeneMapping& mapping) {
  const SourceData& data = reader.data();
  Survey survey;
  survey.counts_of_column.assign(data.var.index.size(), 0);
  reader.ForEachBatch([&](const SparseRows& rows) {
    ThrowIfStopped("prepare was stopped: nothing was written");
    for (int64_t r = 0; r < rows.rows(); ++r) {
      const auto columns = rows.RowIndices(r);
      const auto values = rows.RowValues(r);
      double sum = 0, known = 0;
      for (size_t k = 0; k < columns.size(); ++k) {
        sum += values[k];
        if (mapping.gene_of_column[static_cast<size_t>(columns[k])]) known += values[k];
        survey.counts_of_column[static_cast<size_t>(columns[k])] += values[k];
      }
      survey.counts.push_back(sum);
      survey.known_counts.push_back(known);
      survey.genes.push_back(static_cast<int64_t>(columns.size()));
      survey.profiles.push_back(HashProfile(columns, values));
    }
  });
  GENVINCI_CHECK(survey.counts.size() == data.observations.size() && data.obs.index.size() == data.observations.size(),
                 "{} rows of counts and {} of obs, {} observations", survey.counts.size(), data.obs.index.size(),
                 data.observations.size());
  return survey;
}

Coverage MeasureCoverage(const GeneMapping& mapping, const Survey& survey) {
  Coverage coverage;
  coverage.columns = static_cast<int64_t>(mapping.gene_of_column.size());
  coverage.matched_columns = mapping.matched_columns;
  coverage.matched_genes = mapping.matched_genes;
  for (size_t k = 0; k < mapping.gene_of_column.size(); ++k) {
    coverage.counts += survey.counts_of_column[k];
    if (mapping.gene_of_column[k]) coverage.matched_counts += survey.counts_of_column[k];
  }
  return coverage;
}

std::vector<int64_t> Filter(const PrepareOptions& options, const SourceData& data, const Survey& survey,
                            const PatchPlan& plan, DropCounts& dropped) {
  std::vector<int64_t> kept;
  for (size_t i = 0; i < data.obs.index.size(); ++i) {
    const std::string refusal = Refusal(options, data, survey, plan, i);
    if (refusal.empty())
      kept.push_back(static_cast<int64_t>(i));
    else
      ++dropped[refusal];
  }
  return kept;
}

Chosen Choose(const SourceData& data, const Survey& survey, std::vector<int64_t> rows) {
  Chosen chosen;
  chosen.rows = std::move(rows);
  chosen.obs = PickRows(data.obs, chosen.rows);
  for (const int64_t row : chosen.rows) {
    const Observation& observation = data.observations[static_cast<size_t>(row)];
    chosen.section_of.push_back(static_cast<int32_t>(observation.section));
    chosen.sections.push_back(data.sections[observation.section].name);
    chosen.patients.push_back(observation.patient);
    const Point centre = data.PixelCentre(row);
    chosen.x.push_back(centre.x);
    chosen.y.push_back(centre.y);
  }
  chosen.profiles = Pick(survey.profiles, chosen.rows);
  return chosen;
}

Chosen Keep(const SourceData& data, const Survey& survey, const Chosen& chosen, const std::vector<int64_t>& positions) {
  Chosen kept = Choose(data, survey, Pick(chosen.rows, positions));
  if (!chosen.splits.empty()) kept.splits = Pick(chosen.splits, positions);
  if (!chosen.blocks.empty()) kept.blocks = Pick(chosen.blocks, positions);
  return kept;
}

DenseArray PickRows(const DenseArray& array, const std::vector<int64_t>& rows) {
  DenseArray picked{static_cast<int64_t>(rows.size()), array.columns, {}};
  for (const int64_t row : rows) {
    const auto begin = array.values.begin() + row * array.columns;
    picked.values.insert(picked.values.end(), begin, begin + array.columns);
  }
  return picked;
}

}  // namespace genvinci
