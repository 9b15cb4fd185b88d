#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "genvinci/core/files.h"

namespace genvinci {

class LineReader;

// Delimited text, plain or gzip (told by its signature): ',' or tab, told by the first line. A UTF-8 BOM, CRLF, blank
// lines at the end and fields in double quotes ("" is one quote; no line break inside) are accepted; NUL bytes, a
// ragged row, a line over the limit, a cut or corrupt gzip stream and one that inflates more than 1000:1 are
// DataErrors (TABLE_*) naming file and line: it stands against half a download and shifted columns, which would give
// counts to the wrong genes.
//
// A header one field shorter than the rows (as R and pandas write an index) gets an empty first name.
class TableReader {
 public:
  static constexpr size_t kMaxLine = size_t{256} << 20;

  explicit TableReader(const fs::path& path, size_t max_line = kMaxLine);
  ~TableReader();

  // For a file without a header this is its first row.
  const std::vector<std::string>& header() const { return header_; }
  // The column named `name`, or DataError TABLE_COLUMN with the nearest name (also when two columns have the name).
  size_t Column(const std::string& name) const;
  bool HasColumn(const std::string& name) const;
  // The next row's fields (valid until the next call), or false at the end. Every row has header().size() fields.
  bool Next(std::vector<std::string_view>& fields);
  int64_t line() const;  // of the row last read, from 1
  const fs::path& path() const { return path_; }

  // Field `column` of the row last read as a finite number: DataError TABLE_NUMBER with line and column otherwise.
  double Number(const std::vector<std::string_view>& fields, size_t column) const;

 private:
  bool NextLine();
  void Split(std::vector<std::string_view>& fields);
  void ReadHeader();

  fs::path path_;
  std::unique_ptr<LineReader> lines_;
  std::vector<std::string> header_;
  std::span<char> row_;          // the line last read, in the source's buffer
  bool row_is_waiting_ = false;  // the first row was read ahead with the header
  char separator_ = ',';
};

}  // namespace genvinci
