#include "image_header.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "genvinci/core/error.h"

namespace genvinci::internal {

void ImageBytes::Require(uint64_t offset, uint64_t length) const {
  if (offset > size_ || length > size_ - offset) {
    throw DataError("IMAGE_CUT", "{}: needs {} bytes at offset {}, but the file ends at {}: copy the file again", name_,
                    length, offset, size_);
  }
}

uint64_t ImageBytes::BigEndian(uint64_t offset, int bytes) const {
  Require(offset, bytes);
  uint64_t value = 0;
  for (int i = 0; i < bytes; ++i) value = value << 8 | data_[offset + i];
  return value;
}

uint64_t ImageBytes::LittleEndian(uint64_t offset, int bytes) const {
  Require(offset, bytes);
  uint64_t value = 0;
  for (int i = bytes; i-- > 0;) value = value << 8 | data_[offset + i];
  return value;
}

bool ImageBytes::StartsWith(std::string_view signature) const {
  return size_ >= signature.size() && std::memcmp(data_, signature.data(), signature.size()) == 0;
}

namespace {

using namespace std::string_view_literals;

const char* KnownButRefused(const ImageBytes& file) {
  if (file.StartsWith("BM")) return "a BMP file";
  if (file.StartsWith("v/1\x01")) return "an OpenEXR file";
  if (file.StartsWith("GIF8")) return "a GIF file";
  if (file.StartsWith("RIFF")) return "a RIFF (WebP) file";
  if (file.StartsWith("\0\0\0\x0cjP"sv) || file.StartsWith("\xff\x4f\xff\x51")) return "a JPEG 2000 file";
  if (file.size() > 2 && file.data()[0] == 'P' && file.data()[1] >= '1' && file.data()[1] <= '7') return "a PNM file";
  return "of no known image format";
}

}  // namespace

std::string SniffFormat(const ImageBytes& file) {
  if (file.size() == 0) throw DataError("IMAGE_CUT", "{}: the file is empty: copy the file again", file.name());
  if (file.StartsWith("\xff\xd8\xff")) return "jpeg";
  if (file.StartsWith("\x89PNG\r\n\x1a\n")) return "png";
  for (const std::string_view magic : {"II*\0"sv, "MM\0*"sv, "II+\0"sv, "MM\0+"sv}) {
    if (file.StartsWith(magic)) return "tiff";
  }
  throw DataError("IMAGE_FORMAT", "{}: is {}, whatever its name says: convert it to JPEG, PNG or TIFF", file.name(),
                  KnownButRefused(file));
}

ImageInfo ParseHeader(const ImageBytes& file, int64_t pixel_cap) {
  const std::string format = SniffFormat(file);
  ImageInfo info = format == "jpeg" ? JpegInfo(file) : format == "png" ? PngInfo(file) : TiffInfo(file);
  info.format = format;
  // The decoder's own limits: sides of 2^20 and 2^30 px in all. A TIFF may be read piece by piece, which its decoder
  // does not limit.
  constexpr int64_t kLongestSide = int64_t{1} << 20;
  const bool is_in_pieces = info.format == "tiff" && pixel_cap == kNoPixelCap;
  const int64_t cap = is_in_pieces ? kNoPixelCap : std::min(pixel_cap, int64_t{1} << 30);
  const auto [shorter, longer] = std::minmax(info.width, info.height);
  if (shorter < 1 || longer > kLongestSide || shorter > cap / longer) {
    throw DataError("IMAGE_SIZE", "{}: {} x {} px, the limits are 1 to {} px a side and {} px in all: crop the image",
                    file.name(), info.width, info.height, kLongestSide, cap);
  }
  return info;
}

void CheckBody(const ImageBytes& file, const ImageInfo& info) {
  if (info.format == "jpeg") CheckJpegBody(file);
  if (info.format == "png") CheckPngBody(file, info);
  if (info.format == "tiff") CheckTiffBody(file);
}

}  // namespace genvinci::internal
