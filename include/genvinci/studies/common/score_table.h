#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "genvinci/studies/common/estimates.h"

namespace genvinci {

// A table as Markdown, the log and the HTML page show it.
struct TextTable {
  std::string title;
  std::vector<std::string> header;
  std::vector<std::vector<std::string>> rows;
};

std::string MarkdownTable(const TextTable& table);
std::string NumberText(double value);  // "-" where it is not finite
std::string IntervalText(const std::optional<Interval>& interval);

// Scores, a row each, under a column for each kind of images that any of them has, and at the end the 95 % interval of
// one kind.
class ScoreTable {
 public:
  // columns: kind and title, in the order shown; others are left out.
  ScoreTable(std::string title, std::vector<std::pair<std::string, std::string>> columns, std::string interval_of);

  void Add(const std::string& title, const Estimates& estimates);
  TextTable Make() const;

 private:
  std::string title_, interval_of_;
  std::vector<std::pair<std::string, std::string>> columns_;
  std::vector<std::pair<std::string, Estimates>> rows_;
};

}  // namespace genvinci
