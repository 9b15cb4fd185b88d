#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "genvinci/core/files.h"

namespace genvinci {

// Some rows of the columns that ParquetTable::ForEachBatch was asked for, numbered as they were named there. Valid
// within the call that gives it. Where a value does not exist in the form asked for: DataError PARQUET_VALUE with
// column and row.
class ParquetBatch {
 public:
  int64_t first_row() const;
  int64_t rows() const;
  bool IsNull(size_t column, int64_t row) const;
  // Of every type of number and of bool; NaN for null.
  double Number(size_t column, int64_t row) const;
  // Of integers and bools alone, so that no id passes through a double.
  int64_t Integer(size_t column, int64_t row) const;
  // Texts and bytes as they are; integers as decimals, so that ids of either kind can be handled alike.
  std::string Text(size_t column, int64_t row) const;

 private:
  friend class ParquetTable;
  struct Impl;
  explicit ParquetBatch(const Impl& impl) : impl_(impl) {}
  const Impl& impl_;
};

// A Parquet file, read some rows and the named columns at a time.
// MissingFileError FILE_MISSING; DataError PARQUET_READ with Arrow's reason for a file that is cut, damaged or none.
class ParquetTable {
 public:
  explicit ParquetTable(const fs::path& path);
  ~ParquetTable();

  const fs::path& path() const;
  int64_t rows() const;
  const std::vector<std::string>& columns() const;  // of the outermost level, in the file's order
  bool HasColumn(const std::string& name) const;
  // Texts may be utf8 or plain bytes, of either length type, in a dictionary or not.
  // DataError PARQUET_COLUMN for a column that is not there, PARQUET_TYPE for one of another type than number, bool,
  // text and bytes.
  void ForEachBatch(const std::vector<std::string>& columns, const std::function<void(const ParquetBatch&)>& use) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace genvinci
