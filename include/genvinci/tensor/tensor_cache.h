#pragma once

#include <memory>
#include <string>

#include "genvinci/core/files.h"
#include "genvinci/io/safetensors.h"
#include "genvinci/tensor/convert.h"

namespace genvinci {

// Tensors that took long to make, in a file, with a key of all that they were made from (data, options, weights) and the
// sha256 of their bytes. One file holds what was made last.
class TensorCache {
 public:
  // key: any text; its hash is kept. what: for the log ("the latents").
  TensorCache(fs::path path, std::string_view key, std::string what);

  // The file; null where there is none, it is of another key, or is damaged (which the log says).
  std::shared_ptr<SafetensorsFile> Open() const;
  // Where it cannot be written, the log says so and nothing else happens.
  void Keep(const NamedTensors& tensors) const;

 private:
  fs::path path_;
  std::string key_, what_;
};

}  // namespace genvinci
