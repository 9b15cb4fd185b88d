#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "genvinci/core/files.h"
#include "genvinci/io/tensor_file.h"

namespace genvinci {

// A safetensors file, mapped; views stay valid while it lives. Every rule of the format is checked before a view is
// given (header <= 100,000,000 bytes, offsets chain without hole or overlap, no duplicate name, products do not
// overflow): DataError SAFETENSORS_*. Of the format's dtypes those of DType are read.
class SafetensorsFile : public TensorFile {
 public:
  explicit SafetensorsFile(const fs::path& path);

  const std::map<std::string, std::string>& metadata() const { return metadata_; }

 private:
  std::map<std::string, std::string> metadata_;
};

// Written atomically, in the order given; the header is padded with spaces to a multiple of 8 bytes. The same tensors
// give the same bytes. Returns their SHA-256 as Sha256OfFile would.
std::string WriteSafetensors(const fs::path& path, const std::vector<std::pair<std::string, TensorView>>& tensors,
                             const std::map<std::string, std::string>& metadata = {});

}  // namespace genvinci
