#pragma once

#include <torch/torch.h>

#include <memory>
#include <string>

#include "genvinci/io/safetensors.h"

namespace genvinci {

// A tensor of many rows (its first axis), in memory or in a mapped file that may be larger than memory; batches of it
// are copied. Used by one thread at a time.
class StoredRows {
 public:
  StoredRows() = default;
  explicit StoredRows(torch::Tensor rows);
  StoredRows(std::shared_ptr<const SafetensorsFile> file, std::string name);

  bool defined() const { return rows_.defined(); }
  int64_t size() const { return rows_.size(0); }
  torch::IntArrayRef sizes() const { return rows_.sizes(); }
  const torch::Tensor& all() const { return rows_; }
  // Those of rows_B (int64), in this order: (B, ...) on the CPU.
  torch::Tensor Read(const torch::Tensor& rows_B) const;

 private:
  torch::Tensor rows_;
  std::shared_ptr<const SafetensorsFile> file_;  // null: in memory
  std::string name_;
  mutable int64_t touched_ = 0;  // bytes of the file's pages that may have come into memory
};

}  // namespace genvinci
