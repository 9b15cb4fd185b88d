#include "vendor_table.h"

#include <algorithm>

#include "genvinci/core/error.h"
#include "vendor_files.h"

namespace genvinci {

std::string VendorRow::Text(size_t column) const {
  return batch_ ? batch_->Text(column, row_) : std::string((*fields_)[(*columns_)[column]]);
}

double VendorRow::Number(size_t column) const {
  if (batch_) return batch_->Number(column, row_);
  double value = 0;
  return ParsePosition((*fields_)[(*columns_)[column]], value) ? value : table_->Number(*fields_, (*columns_)[column]);
}

VendorTable::VendorTable(const fs::path& path) : path_(path) {
  if (path.extension() == ".parquet") {
    parquet_ = std::make_unique<ParquetTable>(path);
    header_ = parquet_->columns();
  } else {
    header_ = TableReader(path).header();
  }
}

bool VendorTable::HasColumn(const std::string& name) const {
  return std::find(header_.begin(), header_.end(), name) != header_.end();
}

void VendorTable::ForEachRow(const std::vector<std::string>& columns,
                             const std::function<void(const VendorRow&)>& use) const {
  if (parquet_) {
    parquet_->ForEachBatch(columns, [&](const ParquetBatch& batch) {
      for (int64_t row = 0; row < batch.rows(); ++row) use(VendorRow(batch, row));
    });
    return;
  }
  TableReader table(path_);
  std::vector<size_t> places;
  for (const std::string& name : columns) places.push_back(table.Column(name));
  std::vector<std::string_view> fields;
  while (table.Next(fields)) use(VendorRow(table, fields, places));
}

}  // namespace genvinci
