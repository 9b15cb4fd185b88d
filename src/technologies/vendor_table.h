#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "genvinci/io/parquet.h"
#include "genvinci/io/table.h"

namespace genvinci {

// A row of a VendorTable; columns are numbered as they were asked for.
class VendorRow {
 public:
  VendorRow(const ParquetBatch& batch, int64_t row) : batch_(&batch), row_(row) {}
  VendorRow(const TableReader& table, const std::vector<std::string_view>& fields, const std::vector<size_t>& columns)
      : table_(&table), fields_(&fields), columns_(&columns) {}

  std::string Text(size_t column) const;  // whole numbers as decimals
  double Number(size_t column) const;     // NaN where it is missing; DataError TABLE_NUMBER or PARQUET_VALUE

 private:
  const ParquetBatch* batch_ = nullptr;
  int64_t row_ = 0;
  const TableReader* table_ = nullptr;
  const std::vector<std::string_view>* fields_ = nullptr;
  const std::vector<size_t>* columns_ = nullptr;
};

// A table that a vendor ships as Parquet or as delimited text, plain or gzip (told by the name's ending).
class VendorTable {
 public:
  explicit VendorTable(const fs::path& path);
  bool HasColumn(const std::string& name) const;
  // The errors of ParquetTable and TableReader.
  void ForEachRow(const std::vector<std::string>& columns, const std::function<void(const VendorRow&)>& use) const;

 private:
  fs::path path_;
  std::unique_ptr<ParquetTable> parquet_;  // null: it is text
  std::vector<std::string> header_;
};

}  // namespace genvinci
