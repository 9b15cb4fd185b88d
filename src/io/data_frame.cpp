#include "genvinci/io/data_frame.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "genvinci/core/error.h"

namespace genvinci {

size_t FrameColumn::size() const {
  switch (kind) {
    case Kind::kString:
      return strings.size();
    case Kind::kFloat:
      return floats.size();
    default:
      return integers.size();
  }
}

bool FrameColumn::IsMissing(size_t row) const {
  GENVINCI_CHECK(row < size(), "row {} of a column of {}", row, size());
  if (kind == Kind::kFloat) return std::isnan(floats[row]);
  if (kind == Kind::kCategorical) return integers[row] < 0;
  return !missing.empty() && missing[row];
}

std::string FrameColumn::Text(size_t row) const {
  if (IsMissing(row)) return "";
  switch (kind) {
    case Kind::kString:
      return strings[row];
    case Kind::kCategorical:
      return strings.at(integers[row]);
    case Kind::kFloat:
      return fmt::format("{}", floats[row]);
    case Kind::kInteger:
      return fmt::format("{}", integers[row]);
    case Kind::kBool:
      return integers[row] ? "True" : "False";
  }
  return "";
}

FrameColumn FrameColumn::Strings(std::vector<std::string> values) {
  FrameColumn column;
  column.strings = std::move(values);
  return column;
}

FrameColumn FrameColumn::Categorical(const std::vector<std::string>& values) {
  FrameColumn column;
  column.kind = Kind::kCategorical;
  std::map<std::string, int64_t> codes;
  for (const std::string& value : values) codes.emplace(value, 0);
  for (auto& [name, code] : codes) {
    code = static_cast<int64_t>(column.strings.size());
    column.strings.push_back(name);
  }
  column.integers.reserve(values.size());
  for (const std::string& value : values) column.integers.push_back(codes.at(value));
  return column;
}

FrameColumn FrameColumn::Floats(std::vector<double> values) {
  FrameColumn column;
  column.kind = Kind::kFloat;
  column.floats = std::move(values);
  return column;
}

FrameColumn FrameColumn::Integers(std::vector<int64_t> values) {
  FrameColumn column;
  column.kind = Kind::kInteger;
  column.integers = std::move(values);
  return column;
}

FrameColumn FrameColumn::Bools(const std::vector<bool>& values) {
  FrameColumn column;
  column.kind = Kind::kBool;
  column.integers.assign(values.begin(), values.end());
  return column;
}

const FrameColumn* DataFrame::Find(const std::string& name) const {
  for (const auto& [known, column] : columns) {
    if (known == name) return &column;
  }
  return nullptr;
}

void DataFrame::Set(const std::string& name, FrameColumn column) {
  for (auto& [known, old] : columns) {
    if (known == name) {
      old = std::move(column);
      return;
    }
  }
  columns.emplace_back(name, std::move(column));
}

}  // namespace genvinci
