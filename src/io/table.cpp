#include "genvinci/io/table.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "genvinci/core/error.h"
#include "genvinci/core/text.h"
#include "line_reader.h"

namespace genvinci {
namespace {

constexpr std::string_view kBom = "\xEF\xBB\xBF";

}  // namespace

TableReader::TableReader(const fs::path& path, size_t max_line)
    : path_(path), lines_(std::make_unique<LineReader>(path, max_line)) {
  ReadHeader();
}

TableReader::~TableReader() = default;

int64_t TableReader::line() const { return lines_->line(); }

void TableReader::ReadHeader() {
  if (!NextLine()) throw DataError("TABLE_EMPTY", "{}: holds no table: check the file", path_.string());
  if (std::string_view(row_.data(), row_.size()).starts_with(kBom)) row_ = row_.subspan(kBom.size());
  separator_ = std::memchr(row_.data(), '\t', row_.size()) ? '\t' : ',';
  std::vector<std::string_view> fields;
  Split(fields);
  header_.assign(fields.begin(), fields.end());
  row_is_waiting_ = NextLine();
  if (!row_is_waiting_) return;
  // Counted without splitting in place, since Next splits this row once more.
  std::vector<char> copy(row_.begin(), row_.end());
  const std::span<char> row = std::exchange(row_, copy);
  Split(fields);
  row_ = row;
  if (fields.size() == header_.size() + 1) header_.insert(header_.begin(), "");
}

bool TableReader::NextLine() {
  int64_t blank_line = 0;
  while (lines_->Next(row_)) {
    // More than one where a program on Windows wrote CRLF as text.
    while (!row_.empty() && row_.back() == '\r') row_ = row_.first(row_.size() - 1);
    if (row_.empty()) {
      if (blank_line == 0) blank_line = line();
      continue;
    }
    if (std::memchr(row_.data(), '\0', row_.size())) {
      throw DataError("TABLE_NUL", "{}: line {} holds a NUL byte: save the table as UTF-8 text", path_.string(),
                      line());
    }
    if (blank_line > 0) {
      throw DataError("TABLE_RAGGED", "{}: line {} is blank and rows follow: remove it", path_.string(), blank_line);
    }
    return true;
  }
  return false;
}

namespace {

// Takes a field in quotes off the front of `rest`, writing its text over it; false when the quotes do not close before
// a separator or the end.
bool TakeQuoted(std::span<char>& rest, char separator, std::string_view& field) {
  char* const first = rest.data() + 1;
  char* out = first;
  for (size_t i = 1; i < rest.size(); ++i) {
    if (rest[i] != '"') {
      *out++ = rest[i];
    } else if (i + 1 < rest.size() && rest[i + 1] == '"') {
      *out++ = rest[i++];
    } else {
      field = {first, static_cast<size_t>(out - first)};
      rest = rest.subspan(i + 1);
      return rest.empty() || rest[0] == separator;
    }
  }
  return false;
}

}  // namespace

void TableReader::Split(std::vector<std::string_view>& fields) {
  fields.clear();
  const bool has_quotes = std::memchr(row_.data(), '"', row_.size()) != nullptr;
  std::span<char> rest = row_;
  while (true) {
    if (has_quotes && !rest.empty() && rest[0] == '"') {
      if (!TakeQuoted(rest, separator_, fields.emplace_back())) {
        throw DataError("TABLE_QUOTE", "{}: line {}, field {}: quotes that do not close: check the file",
                        path_.string(), line(), fields.size());
      }
    } else {
      const void* found = rest.empty() ? nullptr : std::memchr(rest.data(), separator_, rest.size());
      const size_t size = found ? static_cast<const char*>(found) - rest.data() : rest.size();
      fields.emplace_back(rest.data(), size);
      rest = rest.subspan(size);
    }
    if (rest.empty()) return;
    rest = rest.subspan(1);
  }
}

bool TableReader::Next(std::vector<std::string_view>& fields) {
  if (!std::exchange(row_is_waiting_, false) && !NextLine()) return false;
  Split(fields);
  if (fields.size() != header_.size()) {
    throw DataError("TABLE_RAGGED", "{}: line {} has {} fields and the header {}: check the file", path_.string(),
                    line(), fields.size(), header_.size());
  }
  return true;
}

bool TableReader::HasColumn(const std::string& name) const {
  return std::find(header_.begin(), header_.end(), name) != header_.end();
}

size_t TableReader::Column(const std::string& name) const {
  const auto found = std::find(header_.begin(), header_.end(), name);
  if (found == header_.end()) {
    throw DataError("TABLE_COLUMN", "{}: has no column '{}'{}", path_.string(), name, DidYouMean(name, header_));
  }
  if (std::find(found + 1, header_.end(), name) != header_.end()) {
    throw DataError("TABLE_COLUMN", "{}: has two columns '{}': rename one", path_.string(), name);
  }
  return found - header_.begin();
}

double TableReader::Number(const std::vector<std::string_view>& fields, size_t column) const {
  const std::string_view text = fields.at(column);
  // Count tables are nearly all single digits.
  if (text.size() == 1 && text[0] >= '0' && text[0] <= '9') return text[0] - '0';
  double value = 0;
  if (!ParseNumber(text, value)) {
    throw DataError("TABLE_NUMBER", "{}: line {}, column '{}': '{}' is not a finite number", path_.string(), line(),
                    column < header_.size() ? header_[column] : std::to_string(column), text.substr(0, 40));
  }
  return value;
}

}  // namespace genvinci
