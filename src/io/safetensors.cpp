#include "genvinci/io/safetensors.h"

#include <cerrno>
#include <cstring>
#include <fstream>

#include "genvinci/core/error.h"
#include "genvinci/core/json.h"
#include "genvinci/core/sha256.h"
#include "genvinci/core/text.h"
#include "safetensors_header.h"

namespace genvinci {
namespace {

constexpr uint64_t kMaxHeader = 100'000'000;
constexpr size_t kBlock = 1 << 18;

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

std::string WriteSafetensors(const fs::path& path, const std::vector<std::pair<std::string, TensorView>>& tensors,
                             const std::map<std::string, std::string>& metadata) {
  const std::string header = Header(tensors, metadata);
  const uint64_t size = header.size();
  Sha256Sum sum;
  WriteFileAtomic(path, [&](const fs::path& temporary) {
    std::ofstream out(temporary, std::ios::binary);
    // In whole blocks: a file's pages are filled once, and the sum finds them in the processor's cache.
    std::string block;
    block.reserve(kBlock);
    const auto flush = [&] {
      sum.Add(block);
      out.write(block.data(), static_cast<std::streamsize>(block.size()));
      block.clear();
    };
    const auto write = [&](const void* data, size_t size) {
      std::string_view rest(static_cast<const char*>(data), size);
      while (!rest.empty()) {
        const std::string_view part = rest.substr(0, kBlock - block.size());
        block += part;
        rest.remove_prefix(part.size());
        if (block.size() == kBlock) flush();
      }
    };
    write(&size, sizeof(size));
    write(header.data(), header.size());
    for (const auto& [name, view] : tensors) write(view.bytes.data(), view.bytes.size());
    flush();
    out.close();
    if (!out) throw IoError("FILE_WRITE", "{}: cannot write: {}", path.string(), std::strerror(errno));
  });
  return sum.Hex();
}

}  // namespace genvinci
