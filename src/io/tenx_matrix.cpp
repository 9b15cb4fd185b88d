#include "genvinci/io/tenx_matrix.h"

#include <unordered_set>

#include "genvinci/core/error.h"
#include "tenx_parts.h"

namespace genvinci {

std::unique_ptr<TenxMatrix> TenxMatrix::Open(const fs::path& path) {
  RequireFile(path);
  return fs::is_directory(path) ? OpenTenxFolder(path) : OpenTenxHdf5(path);
}

void TenxMatrix::CheckTables() const {
  if (barcodes_.empty() || features_.empty())
    throw DataError("TENX_SHAPE", "{}: {} barcodes and {} features: the matrix is empty: check the file",
                    path_.string(), barcodes_.size(), features_.size());
  std::unordered_set<std::string_view> seen;
  for (const std::string& barcode : barcodes_)
    if (!seen.insert(barcode).second)
      throw DataError("TENX_DUPLICATE", "{}: barcode '{}' is there twice: check the file", path_.string(), barcode);
}

}  // namespace genvinci
