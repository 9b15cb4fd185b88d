#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "genvinci/core/files.h"
#include "genvinci/io/safetensors.h"
#include "genvinci/tensor/convert.h"

namespace genvinci {

// Tensors that took long to make, in a file, with a key of all that they were made from (data, options, weights) and
// the sha256 of their bytes. One file holds what was made last.
class TensorCache {
 public:
  // key: any text; its hash is kept. what: for the log ("the latents").
  TensorCache(fs::path path, std::string_view key, std::string what);

  // The file; null where there is none, it is of another key, or is damaged (which the log says).
  std::shared_ptr<SafetensorsFile> Open() const;
  // Where it cannot be written, the log says so and nothing else happens.
  void Keep(const NamedTensors& tensors) const;
  // The same of tensors that are made piece by piece and need not fit into memory: `make` hands over their rows, each
  // once. The file; null where they are not kept, which the log says. What `make` throws passes through.
  using PutRows = std::function<void(const std::string& name, int64_t first_row, const torch::Tensor& rows)>;
  std::shared_ptr<SafetensorsFile> KeepRows(const std::vector<TensorShape>& tensors,
                                            const std::function<void(const PutRows& put)>& make) const;

  // Whether the folder can be written to and holds so much more; else the log says why.
  bool HasRoomFor(const std::vector<TensorShape>& tensors) const;

 private:
  fs::path path_;
  std::string key_, what_;
};

}  // namespace genvinci
