#include "feature_columns.h"

#include <algorithm>
#include <cctype>

#include "genvinci/core/error.h"
#include "genvinci/core/log.h"
#include "genvinci/core/text.h"

namespace genvinci {
namespace {

constexpr const char* kGeneTypes[] = {"", "Gene Expression", "Gene"};

// The start of a control's name, and what it is. What follows must not be a letter, so that a gene whose symbol starts
// alike stays a gene.
struct ControlName {
  const char* start;
  const char* kind;
};
constexpr ControlName kControlNames[] = {
    {"negprb", "negative control"},
    {"negcontrolprobe", "negative control"},
    {"negcontrolcodeword", "negative control"},
    {"negative", "negative control"},
    {"systemcontrol", "system control"},
    {"falsecode", "false code"},
    {"blank", "blank"},
    {"unassignedcodeword", "unassigned codeword"},
    {"deprecatedcodeword", "deprecated codeword"},
    {"deprecated_", "deprecated"},
    {"antisense_", "antisense"},
    {"intergenic_region_", "intergenic region"},
};

bool StartsAs(const std::string& name, const std::string& start) {
  if (name.size() < start.size()) return false;
  for (size_t k = 0; k < start.size(); ++k)
    if (std::tolower(static_cast<unsigned char>(name[k])) != start[k]) return false;
  if (start.back() == '_' || name.size() == start.size()) return true;
  return !std::isalpha(static_cast<unsigned char>(name[start.size()]));
}

}  // namespace

std::string ControlKind(const Feature& feature) {
  if (std::find(std::begin(kGeneTypes), std::end(kGeneTypes), feature.type) == std::end(kGeneTypes))
    return feature.type;
  for (const ControlName& control : kControlNames)
    if (StartsAs(feature.id, control.start) || StartsAs(feature.name, control.start)) return control.kind;
  return "";
}

void FeatureColumns::Add(const std::vector<Feature>& features, std::vector<std::string> dropped_because) {
  dropped_because.resize(features.size());
  std::vector<int32_t>& columns = columns_.emplace_back();
  int32_t last = -1;
  bool ascends = true;
  for (size_t k = 0; k < features.size(); ++k) {
    const std::string reason = dropped_because[k].empty() ? ControlKind(features[k]) : dropped_because[k];
    if (!reason.empty()) {
      ++dropped_[reason];
      columns.push_back(-1);
      continue;
    }
    const auto [found, is_new] = column_of_.try_emplace(features[k].id, static_cast<int32_t>(ids_.size()));
    if (is_new) {
      ids_.push_back(features[k].id);
      names_.push_back(features[k].name);
    }
    columns.push_back(found->second);
    ascends = ascends && found->second > last;
    last = found->second;
  }
  keep_order_.push_back(ascends);
}

SparseRows FeatureColumns::Take(const SparseRows& rows, size_t table) const {
  const std::vector<int32_t>& columns = columns_.at(table);
  SparseRows taken;
  taken.first_row = rows.first_row;
  taken.columns = static_cast<int64_t>(ids_.size());
  std::vector<std::pair<int32_t, float>> row;
  for (int64_t r = 0; r < rows.rows(); ++r) {
    row.clear();
    for (size_t k = 0; k < rows.RowIndices(r).size(); ++k)
      if (const int32_t column = columns[static_cast<size_t>(rows.RowIndices(r)[k])]; column >= 0)
        row.emplace_back(column, rows.RowValues(r)[k]);
    if (!keep_order_[table])
      std::sort(row.begin(), row.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    for (const auto& [column, count] : row) {
      if (taken.offsets.back() < static_cast<int64_t>(taken.indices.size()) && taken.indices.back() == column) {
        taken.values.back() += count;
      } else {
        taken.indices.push_back(column);
        taken.values.push_back(count);
      }
    }
    taken.offsets.push_back(static_cast<int64_t>(taken.indices.size()));
  }
  return taken;
}

void FeatureColumns::Describe(SourceData& data, const std::string& source) const {
  std::vector<std::string> parts;
  for (const auto& [reason, count] : dropped_) parts.push_back(fmt::format("{} {}", count, reason));
  if (ids_.empty())
    throw DataError("NO_GENES", "{}: holds no gene: its features are {}: check the file", source,
                    parts.empty() ? "none" : JoinText(parts, ", "));
  if (!parts.empty()) {
    Log("features that are no genes are left out: {}", JoinText(parts, ", "));
    data.provenance["features_left_out"] = Json(dropped_);
  }
  data.var.index = ids_;
  data.var.Set("gene_name", FrameColumn::Strings(names_));
  // Ids of the vendor's own say nothing to the vocabulary; symbols do.
  for (size_t k = 0; k < ids_.size(); ++k)
    data.gene_names.push_back(ids_[k].starts_with("ENS") || names_[k].empty() ? ids_[k] : names_[k]);
}

}  // namespace genvinci
