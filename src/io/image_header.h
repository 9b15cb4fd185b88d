#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "genvinci/core/files.h"
#include "genvinci/io/image.h"

// Bounded reading of encoded images before a decoder sees them: sizes, and whether the file is whole. It stands against
// files that claim more pixels than they hold, for which a decoder would take the memory, and files that end early,
// which a decoder would fill up with grey or black.
namespace genvinci::internal {

// An encoded file in memory. Reading past its end is a DataError (IMAGE_CUT).
class ImageBytes {
 public:
  ImageBytes(std::span<const std::byte> bytes, const fs::path& path)
      : data_(reinterpret_cast<const uint8_t*>(bytes.data())), size_(bytes.size()), name_(path.string()) {}

  const uint8_t* data() const { return data_; }
  uint64_t size() const { return size_; }
  const std::string& name() const { return name_; }

  void Require(uint64_t offset, uint64_t length) const;
  uint64_t BigEndian(uint64_t offset, int bytes) const;
  uint64_t LittleEndian(uint64_t offset, int bytes) const;
  bool StartsWith(std::string_view signature) const;

 private:
  const uint8_t* data_;
  uint64_t size_;
  std::string name_;
};

// For who reads no more than the header, or a piece at a time.
inline constexpr int64_t kNoPixelCap = INT64_MAX;

// "jpeg", "png" or "tiff"; anything else is a DataError (IMAGE_FORMAT).
std::string SniffFormat(const ImageBytes& file);
// The size from the header alone; a side of 0 px or more than `pixel_cap` px is a DataError (IMAGE_SIZE).
ImageInfo ParseHeader(const ImageBytes& file, int64_t pixel_cap);
// Walks the whole file: cut, wrong checksum, lengths that lead outside, too many scans, inflated text.
void CheckBody(const ImageBytes& file, const ImageInfo& info);

ImageInfo JpegInfo(const ImageBytes& file);
void CheckJpegBody(const ImageBytes& file);

struct PngChunk {
  std::string type;
  std::span<const uint8_t> data;
  std::span<const uint8_t> whole;  // length, type, data and checksum
};
ImageInfo PngInfo(const ImageBytes& file);
void CheckPngBody(const ImageBytes& file, const ImageInfo& info);
// Calls `visit` for each chunk, its checksum verified, until it returns false or IEND was visited.
void VisitPngChunks(const ImageBytes& file, const std::function<bool(const PngChunk&)>& visit);
// The file with the chunks alone that pixels depend on.
std::vector<uint8_t> PngPixelChunks(const ImageBytes& file);

// Pages marked as reduced copies are passed over; where several are left, each is one channel.
ImageInfo TiffInfo(const ImageBytes& file);
void CheckTiffBody(const ImageBytes& file);
std::vector<int> TiffFullPages(const ImageBytes& file);

}  // namespace genvinci::internal
