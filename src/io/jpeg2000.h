#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace genvinci::internal {

// The size that a codestream's header states, bare or in JP2 boxes; 0 x 0 where there is none.
struct Jpeg2000Size {
  int64_t width = 0, height = 0;  // px
};
Jpeg2000Size StatedJpeg2000Size(std::span<const std::byte> bytes);

// What a codestream must hold.
struct Jpeg2000Shape {
  int64_t width = 0, height = 0, channels = 0;
  int bits = 8;            // of a value as it is stored: 8 or 16; the codestream may have fewer
  bool is_ycbcr = false;   // becomes RGB by JFIF's formula; Cb and Cr may be of half the width, or of half both sides
  int64_t row_pixels = 0;  // of `out`, at least width
};

// Decodes a JPEG 2000 codestream, bare or in JP2 boxes (through OpenJPEG, which undoes the codestream's own colour
// transform), into interleaved values. Returns what is wrong, or "". What the header states is compared before anything
// is allocated.
std::string DecodeJpeg2000(std::span<const std::byte> bytes, const Jpeg2000Shape& shape, std::span<uint8_t> out);

}  // namespace genvinci::internal
