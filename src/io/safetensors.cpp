#include "genvinci/io/safetensors.h"

#include <cerrno>
#include <cstring>
#include <fstream>

#include "genvinci/core/error.h"
#include "genvinci/core/json.h"
#include "genvinci/core/text.h"
#include "safetensors_header.h"

namespace genvinci {
namespace {

constexpr uint64_t kMaxHeader = 100'000'000;

// The JSON header in front of the tensors, padded so that they are aligned.
std::string Header(const std::vector<std::pair<std::string, TensorView>>& tensors,
                   const std::map<std::string, std::string>& metadata) {
  Json header = Json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  uint64_t at = 0;
  for (const auto& [name, view] : tensors) {
    uint64_t size = SizeOf(view.dtype);
    for (const int64_t dimension : view.shape) size *= dimension;
    GENVINCI_CHECK(size == view.bytes.size(), "tensor '{}': its shape needs {} bytes and it has {}", name, size,
                   view.bytes.size());
    GENVINCI_CHECK(!header.contains(name) && name != "__metadata__", "two tensors '{}'", name);
    header[name] = {{"dtype", Name(view.dtype)}, {"shape", view.shape}, {"data_offsets", {at, at + size}}};
    at += size;
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  GENVINCI_CHECK(text.size() <= kMaxHeader, "a header of {} bytes", text.size());
  return text;
}

}  // namespace

SafetensorsFile::SafetensorsFile(const fs::path& path) : TensorFile(path) {
  const std::span<const std::byte> bytes = Map();
  uint64_t size = 0;
  if (bytes.size() < sizeof(size)) {
    throw DataError("SAFETENSORS_CUT", "{}: {} bytes are no safetensors file", path.string(), bytes.size());
  }
  std::memcpy(&size, bytes.data(), sizeof(size));
  if (size > kMaxHeader) {
    throw DataError("SAFETENSORS_HEADER", "{}: a header of {} bytes, the limit is {}: this is no safetensors file",
                    path.string(), size, kMaxHeader);
  }
  if (size > bytes.size() - sizeof(size)) {
    throw DataError("SAFETENSORS_CUT", "{}: a header of {} bytes in a file of {}: it is cut short", path.string(), size,
                    bytes.size());
  }
  const std::string_view json(reinterpret_cast<const char*>(bytes.data()) + sizeof(size), size);
  const std::span<const std::byte> data = bytes.subspan(sizeof(size) + size);
  internal::SafetensorsHeader header = internal::ParseSafetensorsHeader(json, data.size(), path.string());
  metadata_ = std::move(header.metadata);
  for (internal::SafetensorsEntry& entry : header.entries) {
    Add(entry.name, {entry.dtype, std::move(entry.shape), data.subspan(entry.begin, entry.end - entry.begin)});
  }
}

void WriteSafetensors(const fs::path& path, const std::vector<std::pair<std::string, TensorView>>& tensors,
                      const std::map<std::string, std::string>& metadata) {
  const std::string header = Header(tensors, metadata);
  const uint64_t size = header.size();
  WriteFileAtomic(path, [&](const fs::path& temporary) {
    std::ofstream out(temporary, std::ios::binary);
    out.write(reinterpret_cast<const char*>(&size), sizeof(size));
    out.write(header.data(), static_cast<std::streamsize>(header.size()));
    for (const auto& [name, view] : tensors) {
      out.write(reinterpret_cast<const char*>(view.bytes.data()), static_cast<std::streamsize>(view.bytes.size()));
    }
    out.close();
    if (!out) throw IoError("FILE_WRITE", "{}: cannot write: {}", path.string(), std::strerror(errno));
  });
}

}  // namespace genvinci
