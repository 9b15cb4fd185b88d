#include "genvinci/studies/common/score_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "genvinci/core/text.h"

namespace genvinci {

std::string NumberText(double value) {
  if (!std::isfinite(value)) return "-";
  return std::abs(value) < 100 ? fmt::format("{:.4f}", value) : fmt::format("{:.1f}", value);
}

std::string IntervalText(const std::optional<Interval>& interval) {
  return interval ? fmt::format("{} to {}", NumberText(interval->low), NumberText(interval->high)) : "";
}

std::string MarkdownTable(const TextTable& table) {
  std::string text = fmt::format("| {} |\n|---|", JoinText(table.header, " | "));
  for (size_t c = 1; c < table.header.size(); ++c) text += "---:|";
  text += "\n";
  for (const auto& row : table.rows) text += fmt::format("| {} |\n", JoinText(row, " | "));
  return text;
}

ScoreTable::ScoreTable(std::string title, std::vector<std::pair<std::string, std::string>> columns,
                       std::string interval_of)
    : title_(std::move(title)), interval_of_(std::move(interval_of)), columns_(std::move(columns)) {}

void ScoreTable::Add(const std::string& title, const Estimates& estimates) { rows_.emplace_back(title, estimates); }

TextTable ScoreTable::Make() const {
  const auto cell = [](const Estimates& estimates, const std::string& kind) -> std::string {
    const Estimate* estimate = estimates.Find(kind);
    return estimate ? NumberText(estimate->value) : "-";
  };
  const auto interval = [&](const Estimates& estimates) -> std::string {
    const Estimate* estimate = estimates.Find(interval_of_);
    return estimate ? IntervalText(estimate->observations) : "";
  };
  const auto any = [&](const auto& has) { return std::any_of(rows_.begin(), rows_.end(), has); };
  TextTable table{title_, {""}, {}};
  std::vector<std::string> shown;
  for (const auto& [kind, title] : columns_) {
    if (!any([&, kind = kind](const auto& row) { return cell(row.second, kind) != "-"; })) continue;
    shown.push_back(kind);
    table.header.push_back(title);
  }
  const bool has_intervals = any([&](const auto& row) { return !interval(row.second).empty(); });
  if (has_intervals) table.header.push_back("95 % of " + interval_of_);
  for (const auto& [title, estimates] : rows_) {
    table.rows.push_back({title});
    for (const std::string& kind : shown) table.rows.back().push_back(cell(estimates, kind));
    if (!has_intervals) continue;
    const std::string text = interval(estimates);
    table.rows.back().push_back(text.empty() ? "-" : text);
  }
  return table;
}

}  // namespace genvinci
