#include "safetensors_header.h"

#include <algorithm>
#include <array>
#include <tuple>

#include "genvinci/core/error.h"
#include "genvinci/core/json.h"

namespace genvinci::internal {
namespace {

constexpr auto kDTypes = std::to_array<DType>({DType::kF64, DType::kF32, DType::kF16, DType::kBF16, DType::kI64,
                                               DType::kI32, DType::kI16, DType::kI8, DType::kU8, DType::kBool});

// An entry under check, so that every error names file and tensor.
class EntryReader {
 public:
  EntryReader(const std::string& source, const std::string& name) : source_(source) { entry_.name = name; }

  SafetensorsEntry Read(const Json& json) {
    if (!json.is_object()) Fail("SAFETENSORS_HEADER", "is no object");
    for (const auto& [key, value] : json.items()) {
      if (key != "dtype" && key != "shape" && key != "data_offsets") Fail("SAFETENSORS_HEADER", "has a key '{}'", key);
    }
    if (json.size() != 3) Fail("SAFETENSORS_HEADER", "lacks one of dtype, shape and data_offsets");
    ReadDType(json["dtype"]);
    const uint64_t size = ReadShape(json["shape"]);
    ReadOffsets(json["data_offsets"]);
    if (entry_.end - entry_.begin != size) {
      Fail("SAFETENSORS_SIZE", "its shape needs {} bytes and it has {}", size, entry_.end - entry_.begin);
    }
    return entry_;
  }

 private:
  template <typename... Args>
  [[noreturn]] void Fail(std::string_view error, fmt::format_string<Args...> format, Args&&... args) const {
    throw DataError(error, "{}: tensor '{}': {}", source_, entry_.name,
                    fmt::format(format, std::forward<Args>(args)...));
  }

  void ReadDType(const Json& json) {
    const std::string text = json.is_string() ? json.get<std::string>() : json.dump();
    const auto found = std::find_if(kDTypes.begin(), kDTypes.end(), [&](DType d) { return Name(d) == text; });
    if (!json.is_string() || found == kDTypes.end()) Fail("SAFETENSORS_DTYPE", "the dtype {} is not supported", text);
    entry_.dtype = *found;
  }

  // The tensor's size in bytes.
  uint64_t ReadShape(const Json& json) {
    if (!json.is_array()) Fail("SAFETENSORS_SHAPE", "the shape is no list");
    uint64_t size = SizeOf(entry_.dtype);
    for (const Json& dimension : json) {
      if (!dimension.is_number_unsigned() || dimension.get<uint64_t>() > INT64_MAX) {
        Fail("SAFETENSORS_SHAPE", "{} is no dimension", dimension.dump());
      }
      entry_.shape.push_back(dimension.get<int64_t>());
      if (__builtin_mul_overflow(size, dimension.get<uint64_t>(), &size) || size > INT64_MAX) {
        Fail("SAFETENSORS_SHAPE", "the product of its dimensions overflows");
      }
    }
    return size;
  }

  void ReadOffsets(const Json& json) {
    const bool is_pair =
        json.is_array() && json.size() == 2 && json[0].is_number_unsigned() && json[1].is_number_unsigned();
    if (!is_pair) Fail("SAFETENSORS_OFFSETS", "data_offsets must be two positions, not {}", json.dump());
    entry_.begin = json[0].get<uint64_t>();
    entry_.end = json[1].get<uint64_t>();
    if (entry_.begin > entry_.end) {
      Fail("SAFETENSORS_OFFSETS", "begins at {} and ends at {}", entry_.begin, entry_.end);
    }
  }

  const std::string& source_;
  SafetensorsEntry entry_;
};

std::map<std::string, std::string> ReadMetadata(const Json& json, const std::string& source) {
  std::map<std::string, std::string> metadata;
  if (!json.is_object()) throw DataError("SAFETENSORS_METADATA", "{}: __metadata__ is no object", source);
  for (const auto& [key, value] : json.items()) {
    if (!value.is_string()) {
      throw DataError("SAFETENSORS_METADATA", "{}: __metadata__ '{}' is {}, not a string", source, key, value.dump());
    }
    metadata[key] = value.get<std::string>();
  }
  return metadata;
}

void CheckChain(const std::vector<SafetensorsEntry>& entries, uint64_t data_size, const std::string& source) {
  uint64_t at = 0;
  for (const SafetensorsEntry& entry : entries) {
    if (entry.begin != at) {
      throw DataError("SAFETENSORS_OFFSETS", "{}: tensor '{}' begins at {} and the one before ends at {}: {}", source,
                      entry.name, entry.begin, at, entry.begin < at ? "they overlap" : "there is a hole");
    }
    at = entry.end;
  }
  if (at != data_size) {
    throw DataError("SAFETENSORS_OFFSETS", "{}: the tensors take {} bytes and the file holds {}: {}", source, at,
                    data_size, at < data_size ? "bytes follow the last tensor" : "the file is cut short");
  }
}

}  // namespace

SafetensorsHeader ParseSafetensorsHeader(std::string_view json, uint64_t data_size, const std::string& source) {
  if (json.empty() || json[0] != '{') throw DataError("SAFETENSORS_HEADER", "{}: its header is no JSON object", source);
  const Json root = ParseJson(json, source);
  SafetensorsHeader header;
  for (const auto& [name, value] : root.items()) {
    if (name == "__metadata__") {
      header.metadata = ReadMetadata(value, source);
    } else {
      header.entries.push_back(EntryReader(source, name).Read(value));
    }
  }
  std::sort(header.entries.begin(), header.entries.end(), [](const SafetensorsEntry& a, const SafetensorsEntry& b) {
    return std::tie(a.begin, a.end) < std::tie(b.begin, b.end);
  });
  CheckChain(header.entries, data_size, source);
  return header;
}

}  // namespace genvinci::internal
