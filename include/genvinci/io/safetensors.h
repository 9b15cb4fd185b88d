#pragma once

#include <map>
#include <memory>
#include <span>
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

struct TensorShape {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;
};
uint64_t BytesOf(const TensorShape& tensor);

// A safetensors file whose tensors come in pieces, in any order; `path` is written itself, so give a temporary name.
// Bytes that are never written are 0.
class SafetensorsPieces {
 public:
  // metadata: placeholders, of which SetMetadata may change the values to others that are as long.
  SafetensorsPieces(const fs::path& path, const std::vector<TensorShape>& tensors,
                    const std::map<std::string, std::string>& metadata);
  ~SafetensorsPieces();
  SafetensorsPieces(const SafetensorsPieces&) = delete;
  SafetensorsPieces& operator=(const SafetensorsPieces&) = delete;

  void Write(const std::string& name, uint64_t first_byte, std::span<const std::byte> bytes);  // IoError FILE_WRITE
  void SetMetadata(const std::map<std::string, std::string>& metadata);                        // likewise

 private:
  void WriteAt(uint64_t at, const void* data, size_t size);
  void WriteHeader(const std::map<std::string, std::string>& metadata);

  fs::path path_;
  std::vector<TensorShape> tensors_;
  uint64_t data_start_ = 0;
  std::map<std::string, std::pair<uint64_t, uint64_t>> places_;  // first byte behind the header, size
  int descriptor_ = -1;
};

}  // namespace genvinci
