#include "genvinci/tensor/stored_rows.h"

#include <algorithm>

#include "genvinci/tensor/convert.h"

namespace genvinci {
namespace {

// The kernel maps the pages around a row too.
constexpr int64_t kBytesARow = 64 << 10;
constexpr int64_t kMostBytes = 64 << 20;

}  // namespace

StoredRows::StoredRows(torch::Tensor rows) : rows_(std::move(rows)) {}

StoredRows::StoredRows(std::shared_ptr<const SafetensorsFile> file, std::string name)
    : rows_(BorrowTensor(file->View(name), file)), file_(std::move(file)), name_(std::move(name)) {}

torch::Tensor StoredRows::Read(const torch::Tensor& rows_B) const {
  torch::Tensor read = rows_.index_select(0, rows_B);
  if (!file_) return read;
  const auto row_bytes = static_cast<int64_t>(rows_.element_size()) * (rows_.numel() / std::max<int64_t>(size(), 1));
  touched_ += rows_B.numel() * std::max(row_bytes, kBytesARow);
  if (touched_ > kMostBytes) {
    file_->Release(name_);
    touched_ = 0;
  }
  return read;
}

}  // namespace genvinci
