#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace genvinci {

enum class DType { kF64, kF32, kF16, kBF16, kI64, kI32, kI16, kI8, kU8, kBool };

size_t SizeOf(DType dtype);
std::string_view Name(DType dtype);  // as safetensors writes it: "F32", "BF16", "BOOL", ...

// Row-major values that belong to someone else (a mapped file, a tensor).
struct TensorView {
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;
  std::span<const std::byte> bytes;
};

}  // namespace genvinci
