#include <cstring>
#include <optional>

#include "genvinci/core/error.h"
#include "image_header.h"

namespace genvinci::internal {
namespace {

// Each scan of a progressive file passes over all pixels again; encoders write about ten.
constexpr int kMostScans = 100;

constexpr uint8_t kEndOfImage = 0xD9, kStartOfScan = 0xDA;

bool IsFrameHeader(uint8_t marker) {
  return marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
}

bool StandsAlone(uint8_t marker) { return marker == 0x01 || (marker >= 0xD0 && marker <= 0xD7); }

ImageInfo ParseFrame(const ImageBytes& file, uint64_t offset, uint8_t marker) {
  if (marker != 0xC0 && marker != 0xC1 && marker != 0xC2) {
    throw DataError("IMAGE_FORMAT", "{}: JPEG process {} is neither baseline nor progressive: save it as one of these",
                    file.name(), marker - 0xC0);
  }
  ImageInfo info;
  info.bits = static_cast<int>(file.BigEndian(offset + 2, 1));
  info.height = static_cast<int64_t>(file.BigEndian(offset + 3, 2));
  info.width = static_cast<int64_t>(file.BigEndian(offset + 5, 2));
  const uint64_t components = file.BigEndian(offset + 7, 1);
  if (info.bits != 8) {
    throw DataError("IMAGE_DEPTH", "{}: {} bits a channel, JPEG is read with 8: save it so", file.name(), info.bits);
  }
  if (components != 1 && components != 3 && components != 4) {
    throw DataError("IMAGE_CHANNELS", "{}: {} components, JPEG has 1, 3 or 4: save it as RGB", file.name(), components);
  }
  info.channels = components == 1 ? 1 : 3;
  return info;
}

// The offset of the next marker's 0xFF after the entropy-coded data that starts at `offset`.
uint64_t SkipScanData(const ImageBytes& file, uint64_t offset) {
  while (true) {
    const void* found = offset < file.size() ? std::memchr(file.data() + offset, 0xFF, file.size() - offset) : nullptr;
    if (found == nullptr) file.Require(file.size(), 2);
    offset = static_cast<const uint8_t*>(found) - file.data();
    const auto next = static_cast<uint8_t>(file.BigEndian(offset + 1, 1));
    if (next != 0x00 && next != 0xFF && !StandsAlone(next)) return offset;
    offset += next == 0xFF ? 1 : 2;
  }
}

// Up to the frame header, or through all scans to the end marker.
ImageInfo Walk(const ImageBytes& file, bool whole) {
  std::optional<ImageInfo> info;
  int scans = 0;
  for (uint64_t offset = 2;;) {
    if (file.BigEndian(offset, 1) != 0xFF) {
      throw DataError("IMAGE_STRUCTURE", "{}: no JPEG marker at offset {}: save the image again", file.name(), offset);
    }
    const auto marker = static_cast<uint8_t>(file.BigEndian(offset + 1, 1));
    if (marker == 0xFF) {
      ++offset;
      continue;
    }
    offset += 2;
    if (StandsAlone(marker)) continue;
    if (marker == kEndOfImage) break;
    const uint64_t length = file.BigEndian(offset, 2);
    file.Require(offset, length);
    if (length < 2) {
      throw DataError("IMAGE_STRUCTURE", "{}: JPEG segment of {} bytes at offset {}: save the image again", file.name(),
                      length, offset);
    }
    if (IsFrameHeader(marker) && !info) info = ParseFrame(file, offset, marker);
    if (info && !whole) return *info;
    offset += length;
    if (marker != kStartOfScan) continue;
    if (++scans > kMostScans) {
      throw DataError("IMAGE_SCANS", "{}: over {} JPEG scans: save the image as a baseline JPEG", file.name(),
                      kMostScans);
    }
    offset = SkipScanData(file, offset);
  }
  if (!info || (whole && scans == 0)) {
    throw DataError("IMAGE_CUT", "{}: the JPEG ends before its pixels: copy the file again", file.name());
  }
  return *info;
}

}  // namespace

ImageInfo JpegInfo(const ImageBytes& file) { return Walk(file, /*whole=*/false); }

void CheckJpegBody(const ImageBytes& file) { Walk(file, /*whole=*/true); }

}  // namespace genvinci::internal
