#include "genvinci/studies/common/examples.h"

#include <algorithm>
#include <map>
#include <string_view>

namespace genvinci {
namespace {

constexpr std::string_view kProportion = "proportion:";

std::string DominantType(const Dataset& dataset, int64_t row) {
  std::string dominant;
  double largest = 0;
  for (const std::string& column : dataset.info().proportion_columns) {
    const FrameColumn* proportions = dataset.obs().Find(column);
    if (!proportions || proportions->kind != FrameColumn::Kind::kFloat) continue;
    const double value = proportions->floats[static_cast<size_t>(row)];
    if (value <= largest) continue;
    largest = value;
    dominant = column.starts_with(kProportion) ? column.substr(kProportion.size()) : column;
  }
  return dominant;
}

std::vector<int64_t> AtEqualDistances(int64_t total, int64_t count) {
  std::vector<int64_t> positions;
  for (int64_t k = 0; k < std::min(total, count); ++k) positions.push_back(k * total / std::min(total, count));
  return positions;
}

}  // namespace

std::vector<std::string> LabelsOf(const Dataset& dataset, const std::vector<int64_t>& rows) {
  const std::string& name = dataset.info().label_column;
  const FrameColumn* column = name.empty() ? nullptr : dataset.obs().Find(name);
  std::vector<std::string> labels;
  for (const int64_t row : rows) {
    labels.push_back(column ? column->Text(static_cast<size_t>(row)) : DominantType(dataset, row));
  }
  return labels;
}

std::vector<int64_t> ChooseExamples(const std::vector<std::string>& labels, int64_t count) {
  std::map<std::string, std::vector<int64_t>> members;
  for (size_t i = 0; i < labels.size(); ++i) {
    if (!labels[i].empty()) members[labels[i]].push_back(static_cast<int64_t>(i));
  }
  if (members.empty()) return AtEqualDistances(static_cast<int64_t>(labels.size()), count);
  std::vector<std::vector<int64_t>> groups;
  for (auto& [label, positions] : members) groups.push_back(std::move(positions));
  std::stable_sort(groups.begin(), groups.end(), [](const auto& a, const auto& b) { return a.size() > b.size(); });
  std::vector<size_t> taken(groups.size(), 0);
  for (int64_t left = count, before = -1; left > 0 && left != before;) {
    before = left;
    for (size_t g = 0; g < groups.size() && left > 0; ++g) {
      if (taken[g] < groups[g].size()) ++taken[g], --left;
    }
  }
  std::vector<int64_t> chosen;
  for (size_t g = 0; g < groups.size(); ++g)
    chosen.insert(chosen.end(), groups[g].begin(), groups[g].begin() + taken[g]);
  return chosen;
}

}  // namespace genvinci
