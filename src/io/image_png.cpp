#include "image_png.h"

#include <zlib.h>

#include <algorithm>
#include <string_view>

#include "genvinci/core/error.h"

namespace genvinci::internal {
namespace {

constexpr uint64_t kSignatureBytes = 8;
constexpr uint64_t kLongestText = uint64_t{1} << 20;
// Deflate cannot shrink by more than this.
constexpr int64_t kDeflateRatio = 1032;

void AppendBigEndian(std::vector<uint8_t>& out, uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<uint8_t>(value >> shift));
}

std::string Inflate(std::span<const uint8_t> deflated, const std::string& name) {
  std::string text(kLongestText + 1, '\0');
  uLongf length = text.size();
  const int status =
      uncompress(reinterpret_cast<Bytef*>(text.data()), &length, deflated.data(), static_cast<uLong>(deflated.size()));
  if (status == Z_BUF_ERROR && length > kLongestText) {
    throw DataError("IMAGE_TEXT", "{}: a PNG text chunk inflates to more than {} bytes: save the image without it",
                    name, kLongestText);
  }
  if (status != Z_OK) {
    throw DataError("IMAGE_TEXT", "{}: a PNG text chunk does not inflate: save the image without it", name);
  }
  text.resize(length);
  return text;
}

std::string Latin1ToUtf8(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<uint8_t>(c);
    if (byte < 0x80) {
      out += c;
    } else {
      out += static_cast<char>(0xC0 | byte >> 6);
      out += static_cast<char>(0x80 | (byte & 0x3F));
    }
  }
  return out;
}

// Cuts `data` behind its first NUL and returns what stood before it.
std::string TakeText(std::span<const uint8_t>& data, const std::string& name) {
  const auto end = std::find(data.begin(), data.end(), uint8_t{0});
  if (end == data.end()) throw DataError("IMAGE_TEXT", "{}: a PNG text chunk without an end: save it again", name);
  std::string text(data.begin(), end);
  data = data.subspan(end - data.begin() + 1);
  return text;
}

}  // namespace

void VisitPngChunks(const ImageBytes& file, const std::function<bool(const PngChunk&)>& visit) {
  for (uint64_t offset = kSignatureBytes;;) {
    const uint64_t length = file.BigEndian(offset, 4);
    file.Require(offset, length + 12);
    PngChunk chunk;
    chunk.whole = {file.data() + offset, length + 12};
    chunk.data = chunk.whole.subspan(8, length);
    chunk.type.assign(chunk.whole.begin() + 4, chunk.whole.begin() + 8);
    const uLong crc = crc32_z(0, chunk.whole.data() + 4, length + 4);
    if (crc != file.BigEndian(offset + 8 + length, 4)) {
      throw DataError("IMAGE_CRC", "{}: the checksum of chunk {} at offset {} is wrong: copy the file again",
                      file.name(), chunk.type, offset);
    }
    if (!visit(chunk) || chunk.type == "IEND") return;
    offset += length + 12;
  }
}

ImageInfo PngInfo(const ImageBytes& file) {
  if (file.BigEndian(kSignatureBytes, 4) != 13 || file.BigEndian(kSignatureBytes + 4, 4) != 0x49484452) {
    throw DataError("IMAGE_STRUCTURE", "{}: the PNG does not start with its header: save the image again", file.name());
  }
  int colour = 0;
  bool transparent = false;
  ImageInfo info;
  VisitPngChunks(file, [&](const PngChunk& chunk) {
    if (chunk.type == "IHDR") {
      info.width = static_cast<int64_t>(file.BigEndian(kSignatureBytes + 8, 4));
      info.height = static_cast<int64_t>(file.BigEndian(kSignatureBytes + 12, 4));
      info.bits = chunk.data[8] == 16 ? 16 : 8;
      colour = chunk.data[9];
    }
    transparent = transparent || chunk.type == "tRNS";
    return chunk.type != "IDAT";
  });
  constexpr int kGrey = 0, kRgb = 2, kPalette = 3, kGreyAlpha = 4, kRgba = 6;
  switch (colour) {
    case kGrey:
      info.channels = 1;
      break;
    case kRgb:
    case kPalette:
      info.channels = transparent ? 4 : 3;
      break;
    case kGreyAlpha:
    case kRgba:
      info.channels = 4;
      break;
    default:
      throw DataError("IMAGE_STRUCTURE", "{}: PNG colour type {} does not exist: save the image again", file.name(),
                      colour);
  }
  return info;
}

void CheckPngBody(const ImageBytes& file, const ImageInfo& info) {
  int64_t stored = 0;
  VisitPngChunks(file, [&](const PngChunk& chunk) {
    if (chunk.type == "IDAT") stored += static_cast<int64_t>(chunk.data.size());
    if (chunk.type == "zTXt" || chunk.type == "iTXt") ParsePngText(chunk, file.name());
    return true;
  });
  // One bit a pixel is the least a PNG can hold.
  if (info.width * info.height / 8 > (stored + 64) * kDeflateRatio) {
    throw DataError("IMAGE_CUT", "{}: {} x {} px cannot be in {} bytes of pixel data: copy the file again", file.name(),
                    info.width, info.height, stored);
  }
}

std::vector<uint8_t> PngPixelChunks(const ImageBytes& file) {
  std::vector<uint8_t> out(file.data(), file.data() + kSignatureBytes);
  out.reserve(file.size());
  VisitPngChunks(file, [&](const PngChunk& chunk) {
    const bool ancillary = (chunk.type[0] & 0x20) != 0;
    if (!ancillary || chunk.type == "tRNS") out.insert(out.end(), chunk.whole.begin(), chunk.whole.end());
    return true;
  });
  return out;
}

std::pair<std::string, std::string> ParsePngText(const PngChunk& chunk, const std::string& name) {
  std::span<const uint8_t> data = chunk.data;
  const std::string keyword = Latin1ToUtf8(TakeText(data, name));
  const auto rest = [&] { return std::string(data.begin(), data.end()); };
  if (chunk.type == "tEXt") return {keyword, Latin1ToUtf8(rest())};
  const size_t flags = chunk.type == "zTXt" ? 1 : 2;
  if (data.size() < flags) throw DataError("IMAGE_TEXT", "{}: a PNG text chunk is cut: save it again", name);
  const bool deflated = chunk.type == "zTXt" || data[0] != 0;
  data = data.subspan(flags);
  if (chunk.type == "zTXt") return {keyword, Latin1ToUtf8(Inflate(data, name))};
  TakeText(data, name);  // language
  TakeText(data, name);  // translated keyword
  return {keyword, deflated ? Inflate(data, name) : rest()};
}

std::vector<uint8_t> MakePngText(const std::string& keyword, const std::string& text) {
  const auto printable = [](char c) { return c >= 0x20 && c < 0x7F; };
  GENVINCI_CHECK(!keyword.empty() && keyword.size() < 80 && std::all_of(keyword.begin(), keyword.end(), printable),
                 "a PNG keyword has 1 to 79 printable characters, not '{}'", keyword);
  GENVINCI_CHECK(text.find('\0') == std::string::npos, "PNG text '{}' holds a NUL", keyword);
  const bool ascii = std::all_of(text.begin(), text.end(), [](char c) { return static_cast<uint8_t>(c) < 0x80; });
  std::string body = (ascii ? "tEXt" : "iTXt") + keyword;
  // iTXt: not compressed, no language, no translated keyword.
  body.append(ascii ? 1 : 5, '\0');
  body += text;
  std::vector<uint8_t> out;
  AppendBigEndian(out, static_cast<uint32_t>(body.size() - 4));
  out.insert(out.end(), body.begin(), body.end());
  AppendBigEndian(out, static_cast<uint32_t>(crc32_z(0, reinterpret_cast<const Bytef*>(body.data()), body.size())));
  return out;
}

}  // namespace genvinci::internal
