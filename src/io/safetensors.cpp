#include "genvinci/io/safetensors.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "genvinci/core/error.h"
#include "genvinci/core/json.h"
#include "genvinci/core/sha256.h"
#include "genvinci/core/text.h"
#include "safetensors_header.h"

namespace genvinci {

uint64_t BytesOf(const TensorShape& tensor) {
  uint64_t size = SizeOf(tensor.dtype);
  for (const int64_t dimension : tensor.shape) size *= static_cast<uint64_t>(dimension);
  return size;
}

namespace {

constexpr uint64_t kMaxHeader = 100'000'000;
constexpr size_t kBlock = 1 << 18;

// The JSON header in front of the tensors, padded so that they are aligned.
std::string Header(const std::vector<TensorShape>& tensors, const std::map<std::string, std::string>& metadata) {
  Json header = Json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  uint64_t at = 0;
  for (const TensorShape& tensor : tensors) {
    const uint64_t size = BytesOf(tensor);
    GENVINCI_CHECK(!header.contains(tensor.name) && tensor.name != "__metadata__", "two tensors '{}'", tensor.name);
    header[tensor.name] = {{"dtype", Name(tensor.dtype)}, {"shape", tensor.shape}, {"data_offsets", {at, at + size}}};
    at += size;
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  GENVINCI_CHECK(text.size() <= kMaxHeader, "a header of {} bytes", text.size());
  return text;
}

std::vector<TensorShape> ShapesOf(const std::vector<std::pair<std::string, TensorView>>& tensors) {
  std::vector<TensorShape> shapes;
  for (const auto& [name, view] : tensors) {
    shapes.push_back({name, view.dtype, view.shape});
    GENVINCI_CHECK(BytesOf(shapes.back()) == view.bytes.size(), "tensor '{}': its shape needs {} bytes and it has {}",
                   name, BytesOf(shapes.back()), view.bytes.size());
  }
  return shapes;
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
  const std::string header = Header(ShapesOf(tensors), metadata);
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

SafetensorsPieces::SafetensorsPieces(const fs::path& path, const std::vector<TensorShape>& tensors,
                                     const std::map<std::string, std::string>& metadata)
    : path_(path), tensors_(tensors) {
  uint64_t size = 0;
  for (const TensorShape& tensor : tensors) {
    places_[tensor.name] = {size, BytesOf(tensor)};
    size += BytesOf(tensor);
  }
  descriptor_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (descriptor_ < 0) throw IoError("FILE_WRITE", "{}: cannot open: {}", path.string(), std::strerror(errno));
  try {
    WriteHeader(metadata);
    if (::ftruncate(descriptor_, static_cast<off_t>(data_start_ + size)) != 0)
      throw IoError("FILE_WRITE", "{}: cannot write: {}", path.string(), std::strerror(errno));
  } catch (...) {
    ::close(descriptor_);
    throw;
  }
}

SafetensorsPieces::~SafetensorsPieces() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void SafetensorsPieces::Write(const std::string& name, uint64_t first_byte, std::span<const std::byte> bytes) {
  const auto [begin, size] = places_.at(name);
  GENVINCI_CHECK(first_byte <= size && bytes.size() <= size - first_byte, "{} bytes from {} on of tensor '{}' of {}",
                 bytes.size(), first_byte, name, size);
  WriteAt(data_start_ + begin + first_byte, bytes.data(), bytes.size());
}

void SafetensorsPieces::SetMetadata(const std::map<std::string, std::string>& metadata) { WriteHeader(metadata); }

void SafetensorsPieces::WriteHeader(const std::map<std::string, std::string>& metadata) {
  const std::string header = Header(tensors_, metadata);
  const uint64_t size = header.size(), data_start = sizeof(size) + size;
  GENVINCI_CHECK(data_start_ == 0 || data_start == data_start_, "a header of {} bytes in place of {}", data_start,
                 data_start_);
  data_start_ = data_start;
  WriteAt(0, &size, sizeof(size));
  WriteAt(sizeof(size), header.data(), header.size());
}

void SafetensorsPieces::WriteAt(uint64_t at, const void* data, size_t size) {
  const char* next = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t written = ::pwrite(descriptor_, next, size, static_cast<off_t>(at));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) throw IoError("FILE_WRITE", "{}: cannot write: {}", path_.string(), std::strerror(errno));
    next += written;
    at += static_cast<uint64_t>(written);
    size -= static_cast<size_t>(written);
  }
}

}  // namespace genvinci
