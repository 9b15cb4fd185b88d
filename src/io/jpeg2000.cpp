#include "jpeg2000.h"

#include <openjpeg.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <memory>
#include <vector>

#include "genvinci/core/error.h"

namespace genvinci::internal {
namespace {

constexpr unsigned char kCodestream[] = {0xFF, 0x4F, 0xFF, 0x51};

struct MemoryStream {
  std::span<const std::byte> bytes;
  size_t at = 0;
};

OPJ_SIZE_T ReadSome(void* out, OPJ_SIZE_T count, void* user) {
  auto& stream = *static_cast<MemoryStream*>(user);
  const size_t left = stream.bytes.size() - stream.at;
  if (left == 0) return static_cast<OPJ_SIZE_T>(-1);
  count = std::min(count, left);
  std::memcpy(out, stream.bytes.data() + stream.at, count);
  stream.at += count;
  return count;
}

OPJ_OFF_T Skip(OPJ_OFF_T count, void* user) {
  auto& stream = *static_cast<MemoryStream*>(user);
  if (count < 0 || static_cast<size_t>(count) > stream.bytes.size() - stream.at) return -1;
  stream.at += static_cast<size_t>(count);
  return count;
}

OPJ_BOOL Seek(OPJ_OFF_T to, void* user) {
  auto& stream = *static_cast<MemoryStream*>(user);
  if (to < 0 || static_cast<size_t>(to) > stream.bytes.size()) return OPJ_FALSE;
  stream.at = static_cast<size_t>(to);
  return OPJ_TRUE;
}

// The first complaint is the cause of those that follow.
void Complain(const char* text, void* user) {
  auto& complaint = *static_cast<std::string*>(user);
  if (!complaint.empty()) return;
  complaint = text;
  complaint.erase(complaint.find_last_not_of(" \n") + 1);
}

void Ignore(const char*, void*) {}

struct CodecCloser {
  void operator()(opj_codec_t* codec) const { opj_destroy_codec(codec); }
};
struct StreamCloser {
  void operator()(opj_stream_t* stream) const { opj_stream_destroy(stream); }
};
struct Jpeg2000Closer {
  void operator()(opj_image_t* image) const { opj_image_destroy(image); }
};

uint64_t Number(std::span<const std::byte> bytes, size_t at, size_t count) {
  uint64_t value = 0;
  for (size_t i = 0; i < count; ++i) value = value << 8 | static_cast<uint8_t>(bytes[at + i]);
  return value;
}

bool IsCodestream(std::span<const std::byte> bytes) {
  return bytes.size() >= sizeof(kCodestream) && std::memcmp(bytes.data(), kCodestream, sizeof(kCodestream)) == 0;
}

// The bytes themselves, or the first box of type jp2c. Empty: there is none.
std::span<const std::byte> CodestreamIn(std::span<const std::byte> bytes) {
  if (IsCodestream(bytes)) return bytes;
  constexpr uint64_t kJp2c = 0x6A703263;
  while (bytes.size() >= 8) {
    const uint64_t stated = Number(bytes, 0, 4);
    const bool is_wide = stated == 1 && bytes.size() >= 16, is_rest = stated == 0;
    const uint64_t head = is_wide ? 16 : 8;
    const uint64_t length = is_wide ? Number(bytes, 8, 8) : is_rest ? bytes.size() : stated;
    if (length < head || length > bytes.size()) return {};
    if (Number(bytes, 4, 4) == kJp2c) {
      const auto inner = bytes.subspan(head, length - head);
      return IsCodestream(inner) ? inner : std::span<const std::byte>();
    }
    bytes = bytes.subspan(length);
  }
  return {};
}

// One channel of a codestream.
struct Component {
  int64_t across = 1, down = 1;  // px of the image a value
  int64_t bits = 8;
  bool is_signed = false;
};

// What a codestream states of itself: its SIZ marker.
struct Stated {
  int64_t x = 0, y = 0, width = 0, height = 0;
  uint64_t tiles = 0;  // the codestream's own, within the TIFF's
  std::vector<Component> components;
};

// Without components: there is no header.
Stated ReadStated(std::span<const std::byte> bytes) {
  constexpr size_t kFirstComponent = 42, kComponentBytes = 3;
  const std::span<const std::byte> from = CodestreamIn(bytes);
  Stated stated;
  if (from.size() < kFirstComponent) return stated;
  const size_t end = kFirstComponent + Number(from, 40, 2) * kComponentBytes;
  if (from.size() < end) return stated;
  const auto at = [&](size_t offset) { return static_cast<int64_t>(Number(from, offset, 4)); };
  stated.x = at(16);
  stated.y = at(20);
  stated.width = at(8) - stated.x;
  stated.height = at(12) - stated.y;
  const auto tiles = [](int64_t last, int64_t side, int64_t first) {
    return static_cast<uint64_t>(side > 0 && last > first ? (last - first + side - 1) / side : 0);
  };
  stated.tiles = tiles(at(8), at(24), at(32)) * tiles(at(12), at(28), at(36));
  for (size_t offset = kFirstComponent; offset < end; offset += kComponentBytes) {
    const uint64_t depth = Number(from, offset, 1);
    stated.components.push_back({static_cast<int64_t>(Number(from, offset + 1, 1)),
                                 static_cast<int64_t>(Number(from, offset + 2, 1)),
                                 static_cast<int64_t>(depth & 127) + 1, depth > 127});
  }
  return stated;
}

// A value for each pixel, or for Cb and Cr 4:2:2 (Aperio's) and 4:2:0.
bool IsReadSampling(const Component& part, const Jpeg2000Shape& shape, bool is_first) {
  if (part.across == 1 && part.down == 1) return true;
  return shape.is_ycbcr && !is_first && part.across == 2 && (part.down == 1 || part.down == 2);
}

std::string Mismatch(const std::vector<Component>& components, const Jpeg2000Shape& shape) {
  if (components.size() != static_cast<size_t>(shape.channels))
    return fmt::format("its JPEG 2000 data have {} channels, the image {}", components.size(), shape.channels);
  for (const Component& part : components) {
    if (!IsReadSampling(part, shape, &part == &components.front()))
      return fmt::format("its JPEG 2000 data have a channel of one value for {} x {} px", part.across, part.down);
    if (part.is_signed || part.bits > shape.bits)
      return fmt::format("its JPEG 2000 data have {}{} bits a value, the image {}", part.is_signed ? "signed " : "",
                         part.bits, shape.bits);
  }
  return "";
}

// Before OpenJPEG sees the header, for which it takes some kilobytes a tile and channel.
std::string Mismatch(const Stated& stated, const Jpeg2000Shape& shape) {
  constexpr int64_t kSmallTile = 4096;  // px
  if (stated.components.empty()) return "it holds no JPEG 2000 data";
  if (stated.width != shape.width || stated.height != shape.height)
    return fmt::format("its JPEG 2000 data are {} x {} px, the tile is {} x {}", stated.width, stated.height,
                       shape.width, shape.height);
  const auto most = static_cast<uint64_t>(std::max<int64_t>(64, shape.width * shape.height / kSmallTile));
  if (stated.tiles == 0 || stated.tiles > most)
    return fmt::format("its JPEG 2000 data are cut into {} tiles, at most {} are read", stated.tiles, most);
  const bool is_reduced = std::any_of(stated.components.begin(), stated.components.end(),
                                      [](const Component& part) { return part.across > 1 || part.down > 1; });
  if (is_reduced && (stated.x != 0 || stated.y != 0))
    return fmt::format("its JPEG 2000 data have channels of reduced size and begin at ({}, {})", stated.x, stated.y);
  return Mismatch(stated.components, shape);
}

// What came out: a palette in JP2 boxes changes the channels.
std::string Mismatch(const opj_image_t& image, const Jpeg2000Shape& shape) {
  std::vector<Component> components;
  for (OPJ_UINT32 c = 0; c < image.numcomps; ++c) {
    const opj_image_comp_t& part = image.comps[c];
    components.push_back({part.dx, part.dy, part.prec, part.sgnd != 0});
  }
  if (std::string what = Mismatch(components, shape); !what.empty()) return what;
  for (size_t c = 0; c < components.size(); ++c) {
    const opj_image_comp_t& part = image.comps[c];
    const auto side = [](int64_t px, int64_t step) { return static_cast<OPJ_UINT32>((px + step - 1) / step); };
    if (!part.data || part.w != side(shape.width, part.dx) || part.h != side(shape.height, part.dy))
      return "its JPEG 2000 data lack a channel";
  }
  return "";
}

// Channels of reduced size are repeated.
double ValueAt(const opj_image_comp_t& part, int64_t x, int64_t y) {
  return part.data[y / part.dy * part.w + x / part.dx];
}

void ToRgb(std::array<double, 4>& values, OPJ_UINT32 bits) {
  const double zero = std::ldexp(1, static_cast<int>(bits) - 1);
  const double y = values[0], cb = values[1] - zero, cr = values[2] - zero;
  values = {y + 1.402 * cr, y - 0.344136 * cb - 0.714136 * cr, y + 1.772 * cb};
}

void Store(double value, int bits, uint8_t* to) {
  const double most = bits == 8 ? 255 : 65535;
  const auto whole = static_cast<uint16_t>(std::clamp(std::round(value), 0.0, most));
  if (bits == 8)
    *to = static_cast<uint8_t>(whole);
  else
    std::memcpy(to, &whole, 2);
}

void Interleave(const opj_image_t& image, const Jpeg2000Shape& shape, std::span<uint8_t> out) {
  const auto bytes = static_cast<int64_t>(shape.bits) / 8;
  for (int64_t y = 0; y < shape.height; ++y)
    for (int64_t x = 0; x < shape.width; ++x) {
      std::array<double, 4> values{};
      for (int64_t c = 0; c < shape.channels; ++c) values[c] = ValueAt(image.comps[c], x, y);
      if (shape.is_ycbcr && shape.channels == 3) ToRgb(values, image.comps[0].prec);
      for (int64_t c = 0; c < shape.channels; ++c)
        Store(values[c], shape.bits, out.data() + ((y * shape.row_pixels + x) * shape.channels + c) * bytes);
    }
}

}  // namespace

Jpeg2000Size StatedJpeg2000Size(std::span<const std::byte> bytes) {
  const Stated stated = ReadStated(bytes);
  return {stated.width, stated.height};
}

std::string DecodeJpeg2000(std::span<const std::byte> bytes, const Jpeg2000Shape& shape, std::span<uint8_t> out) {
  GENVINCI_CHECK(
      shape.channels >= 1 && shape.channels <= 4 && shape.row_pixels >= shape.width &&
          out.size() >= static_cast<size_t>(shape.row_pixels * shape.height * shape.channels * shape.bits / 8),
      "JPEG 2000 of {} channels into {} bytes", shape.channels, out.size());
  if (std::string what = Mismatch(ReadStated(bytes), shape); !what.empty()) return what;
  std::string complaint;
  const std::unique_ptr<opj_codec_t, CodecCloser> codec(
      opj_create_decompress(IsCodestream(bytes) ? OPJ_CODEC_J2K : OPJ_CODEC_JP2));
  opj_set_error_handler(codec.get(), Complain, &complaint);
  opj_set_warning_handler(codec.get(), Complain, &complaint);
  opj_set_info_handler(codec.get(), Ignore, nullptr);
  opj_dparameters_t parameters;
  opj_set_default_decoder_parameters(&parameters);
  MemoryStream memory{bytes};
  const std::unique_ptr<opj_stream_t, StreamCloser> stream(opj_stream_create(bytes.size(), OPJ_TRUE));
  opj_stream_set_user_data(stream.get(), &memory, nullptr);
  opj_stream_set_user_data_length(stream.get(), bytes.size());
  opj_stream_set_read_function(stream.get(), ReadSome);
  opj_stream_set_skip_function(stream.get(), Skip);
  opj_stream_set_seek_function(stream.get(), Seek);
  const auto failed = [&] { return complaint.empty() ? "its JPEG 2000 data are damaged" : "JPEG 2000: " + complaint; };
  // Strict: what is cut is an error, not grey.
  if (!opj_setup_decoder(codec.get(), &parameters) || !opj_decoder_set_strict_mode(codec.get(), OPJ_TRUE))
    return failed();
  opj_image_t* raw = nullptr;
  if (!opj_read_header(stream.get(), codec.get(), &raw)) {
    opj_image_destroy(raw);
    return failed();
  }
  const std::unique_ptr<opj_image_t, Jpeg2000Closer> image(raw);
  if (!opj_decode(codec.get(), stream.get(), image.get()) || !opj_end_decompress(codec.get(), stream.get()))
    return failed();
  if (!complaint.empty()) return failed();
  if (std::string what = Mismatch(*image, shape); !what.empty()) return what;
  Interleave(*image, shape, out);
  return "";
}

}  // namespace genvinci::internal
