#include "genvinci/io/npy.h"

#include <cstring>
#include <regex>
#include <string>

#include "genvinci/core/error.h"

namespace genvinci {
namespace {

constexpr std::string_view kNpyMagic = "\x93NUMPY";
constexpr size_t kMaxNpyHeader = size_t{1} << 20;

struct Header {
  std::string type;
  bool column_major = false;
  uint64_t rows = 0, columns = 0;
};

double HalfToDouble(uint16_t bits) {
  const int exponent = (bits >> 10) & 31;
  const double mantissa = bits & 1023;
  const double sign = bits >> 15 ? -1 : 1;
  if (exponent == 31) return mantissa == 0 ? sign * INFINITY : NAN;
  return sign * (exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25));
}

template <typename T>
double Value(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof(value));
  return static_cast<double>(value);
}

using Reader = double (*)(const std::byte*);

struct Type {
  const char* name;
  size_t bytes;
  Reader read;
};

const Type kTypes[] = {
    {"<f8", 8, Value<double>},
    {"<f4", 4, Value<float>},
    {"<f2", 2, [](const std::byte* at) { return HalfToDouble(static_cast<uint16_t>(Value<uint16_t>(at))); }},
    {"<i8", 8, Value<int64_t>},
    {"<i4", 4, Value<int32_t>},
    {"<i2", 2, Value<int16_t>},
    {"|i1", 1, Value<int8_t>},
    {"<u8", 8, Value<uint64_t>},
    {"<u4", 4, Value<uint32_t>},
    {"<u2", 2, Value<uint16_t>},
    {"|u1", 1, Value<uint8_t>},
    {"|b1", 1, Value<uint8_t>},
};

const Type& TypeOf(const std::string& name, const fs::path& path) {
  for (const Type& type : kTypes) {
    if (name == type.name) return type;
  }
  throw DataError("NPY_TYPE", "{}: holds '{}': little-endian floats or integers are read", path.string(), name);
}

// {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }
Header ParseHeader(const std::string& text, const fs::path& path) {
  static const std::regex kDescr("'descr': *'([^']*)'"), kOrder("'fortran_order': *(True|False)");
  static const std::regex kShape("'shape': *\\(([0-9, ]*)\\)"), kTwo(" *([1-9][0-9]{0,11}), *([1-9][0-9]{0,11}),? *");
  std::smatch descr, order, shape, sides;
  if (!std::regex_search(text, order, kOrder) || !std::regex_search(text, shape, kShape))
    throw DataError("NPY_FORMAT", "{}: its header is not numpy's", path.string());
  if (!std::regex_search(text, descr, kDescr))
    throw DataError("NPY_TYPE", "{}: holds records, not numbers", path.string());
  const std::string axes = shape[1];
  if (!std::regex_match(axes, sides, kTwo))
    throw DataError("NPY_SHAPE", "{}: has shape ({}): observations x columns are needed", path.string(), axes);
  return {descr[1], order[1] == "True", std::stoull(sides[1]), std::stoull(sides[2])};
}

}  // namespace

DenseArray ReadNpy(const fs::path& path) {
  const MappedFile file(path);
  const std::span<const std::byte> bytes = file.bytes();
  const auto unfit = [&](const char* why) { return DataError("NPY_FORMAT", "{}: {}", path.string(), why); };
  if (bytes.size() < 12 || std::memcmp(bytes.data(), kNpyMagic.data(), kNpyMagic.size()) != 0)
    throw unfit("is no .npy file");
  const int version = static_cast<int>(bytes[6]);
  if (version < 1 || version > 3) throw unfit("is of an unknown .npy version");
  const size_t start = version == 1 ? 10 : 12;
  const auto size = static_cast<size_t>(version == 1 ? Value<uint16_t>(&bytes[8]) : Value<uint32_t>(&bytes[8]));
  if (size > kMaxNpyHeader || size > bytes.size() - start) throw unfit("is cut short in its header");
  const Header header = ParseHeader({reinterpret_cast<const char*>(&bytes[start]), size}, path);
  const Type& type = TypeOf(header.type, path);
  const std::span<const std::byte> data = bytes.subspan(start + size);
  if (header.rows > data.size() / type.bytes / header.columns) throw unfit("is cut short");
  DenseArray array{static_cast<int64_t>(header.rows), static_cast<int64_t>(header.columns), {}};
  array.values.resize(header.rows * header.columns);
  for (size_t r = 0; r < header.rows; ++r) {
    for (size_t c = 0; c < header.columns; ++c) {
      const size_t at = header.column_major ? c * header.rows + r : r * header.columns + c;
      array.values[r * header.columns + c] = type.read(data.data() + at * type.bytes);
    }
  }
  return array;
}

}  // namespace genvinci
