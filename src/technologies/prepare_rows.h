#pragma once

#include <map>
#include <string>
#include <vector>

#include "genvinci/data/leak_report.h"
#include "genvinci/genes/gene_mapping.h"
#include "genvinci/technologies/patches.h"
#include "genvinci/technologies/prepare_options.h"
#include "genvinci/technologies/section_reader.h"

namespace genvinci {

// Facts that one pass over the counts gives, an entry an observation or a column.
struct Survey {
  std::vector<double> counts, known_counts;  // of all genes, of those in the vocabulary
  std::vector<int64_t> genes;
  std::vector<ProfileHash> profiles;
  std::vector<double> counts_of_column;
};

Survey SurveyCounts(const SectionReader& reader, const GeneMapping& mapping);
Coverage MeasureCoverage(const GeneMapping& mapping, const Survey& survey);

using DropCounts = std::map<std::string, int64_t>;  // by reason

// The rows of the source that pass the filters, ascending; the others are counted.
std::vector<int64_t> Filter(const PrepareOptions& options, const SourceData& data, const Survey& survey,
                            const PatchPlan& plan, DropCounts& dropped);

// The observations that are kept, with what split and leak report look at.
struct Chosen {
  std::vector<int64_t> rows;  // of the source
  DataFrame obs;
  std::vector<std::string> sections, patients;
  std::vector<int32_t> section_of;
  std::vector<double> x, y;  // px of the image, or as centres count
  std::vector<ProfileHash> profiles;
  std::vector<Split> splits;        // empty until they are set
  std::vector<std::string> blocks;  // likewise; stays empty where no block is needed
};

Chosen Choose(const SourceData& data, const Survey& survey, std::vector<int64_t> rows);
// Those at `positions` of `chosen`.
Chosen Keep(const SourceData& data, const Survey& survey, const Chosen& chosen, const std::vector<int64_t>& positions);

DenseArray PickRows(const DenseArray& array, const std::vector<int64_t>& rows);

template <typename T>
std::vector<T> Pick(const std::vector<T>& values, const std::vector<int64_t>& rows) {
  std::vector<T> picked;
  picked.reserve(rows.size());
  for (const int64_t row : rows) picked.push_back(values[static_cast<size_t>(row)]);
  return picked;
}

}  // namespace genvinci
