#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "genvinci/io/tensor_view.h"

namespace genvinci::internal {

struct SafetensorsEntry {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;
  uint64_t begin = 0, end = 0;  // in the bytes after the header
};

struct SafetensorsHeader {
  std::vector<SafetensorsEntry> entries;  // by begin
  std::map<std::string, std::string> metadata;
};

// It stands against headers whose tensors lie outside of the data, share bytes, or have sizes that overflow.
// Parses and checks the JSON header of a file whose tensors take `data_size` bytes. DataError SAFETENSORS_*.
SafetensorsHeader ParseSafetensorsHeader(std::string_view json, uint64_t data_size, const std::string& source);

}  // namespace genvinci::internal
