#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "genvinci/core/files.h"

namespace genvinci {

// Pixels, row-major, channels last and interleaved (RGB order), 8 or 16 bits a channel.
struct Image {
  int64_t width = 0, height = 0, channels = 0;
  int bits = 8;
  std::vector<uint8_t> bytes;  // height * width * channels * bits / 8

  Image() = default;
  Image(int64_t width, int64_t height, int64_t channels, int bits = 8);
  uint8_t* At(int64_t x, int64_t y) { return bytes.data() + (y * width + x) * channels * (bits / 8); }
  const uint8_t* At(int64_t x, int64_t y) const { return const_cast<Image*>(this)->At(x, y); }
};

struct ImageInfo {
  std::string format;  // "jpeg", "png", "tiff"
  int64_t width = 0, height = 0, channels = 0;
  int bits = 8;
};

inline constexpr int64_t kDefaultPixelCap = int64_t{1} << 28;

// Told by the signature, not by the name; the size is read from the header, and the file walked from end to end, before
// anything is decoded. JPEG (8 bits, 1 or 3 channels; CMYK becomes RGB), PNG (8 or 16 bits; a palette becomes RGB, grey
// with alpha RGBA), TIFF (8 or 16 bits unsigned; 1, 3 or 4 channels, or N pages of one channel each). The orientation
// that a camera notes in EXIF is never applied, so coordinates are those of the stored pixels. `pixel_cap` counts
// width * height and takes effect up to 2^30; a side has 2^20 px at most.
// Errors: MissingFileError; DataError IMAGE_CODEC (a TIFF compression that is not read), IMAGE_FORMAT (another format
// or flavour), IMAGE_CUT, IMAGE_SIZE (over the cap), IMAGE_CRC, IMAGE_STRUCTURE, IMAGE_SCANS, IMAGE_TEXT, IMAGE_DEPTH,
// IMAGE_CHANNELS, IMAGE_PAGES, IMAGE_DECODE, MEMORY. ReadImageInfo reads the header alone and knows no cap of its own.
ImageInfo ReadImageInfo(const fs::path& path);
Image ReadImage(const fs::path& path, int64_t pixel_cap = kDefaultPixelCap);

// All writers are atomic. PNG (1, 3, 4 channels), with text chunks: keyword (ASCII, 1 to 79 characters) and text
// (UTF-8).
void WritePng(const fs::path& path, const Image& image,
              const std::vector<std::pair<std::string, std::string>>& text = {});
// The bytes of the file that WritePng writes.
std::vector<uint8_t> EncodePng(const Image& image, const std::vector<std::pair<std::string, std::string>>& text = {});
std::vector<std::pair<std::string, std::string>> ReadPngText(const fs::path& path);
void WriteJpeg(const fs::path& path, const Image& image, int quality = 95);
// Any number of channels: one page each where there are neither 1 nor 3. The name ends in .tif or .tiff.
void WriteTiff(const fs::path& path, const Image& image);

// The rectangle with its left upper corner at (x, y); it must lie inside (InternalError).
Image Crop(const Image& image, int64_t x, int64_t y, int64_t width, int64_t height);
// The values that become 0 and 255.
struct ValueRange {
  double low = 0, high = 255;
};
// 16 bits become 8: values are scaled by their channel's range and rounded; what lies outside becomes 0 or 255.
Image ToEightBits(const Image& image, const std::vector<ValueRange>& ranges);
// Three channels of four.
Image DropAlpha(const Image& image);
// Area average when shrinking, bicubic when enlarging.
Image Resize(const Image& image, int64_t width, int64_t height);
// Anti-aliased (8 bits) circle outline around (x, y), and ASCII text in capitals of `size` px with its left upper
// corner at (x, y), for overlays and grids; up to 4 channels. What lies outside is cut off.
void DrawCircle(Image& image, double x, double y, double radius, std::array<uint8_t, 3> rgb, int thickness);
void DrawText(Image& image, const std::string& text, int64_t x, int64_t y, double size, std::array<uint8_t, 3> rgb);
// Copies `part` into `image` with its left upper corner at (x, y); it must fit and have the same channels and bits.
void Paste(Image& image, const Image& part, int64_t x, int64_t y);

}  // namespace genvinci
