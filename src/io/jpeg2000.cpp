#include "jpeg2000.h"

#include <openjpeg.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>

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

std::string Mismatch(const opj_image_t& image, const Jpeg2000Shape& shape) {
  const auto width = static_cast<int64_t>(image.x1) - image.x0, height = static_cast<int64_t>(image.y1) - image.y0;
  if (width != shape.width || height != shape.height)
    return fmt::format("its JPEG 2000 data are {} x {} px, the tile is {} x {}", width, height, shape.width,
                       shape.height);
  if (image.numcomps != static_cast<OPJ_UINT32>(shape.channels))
    return fmt::format("its JPEG 2000 data have {} channels, the image {}", image.numcomps, shape.channels);
  for (OPJ_UINT32 c = 0; c < image.numcomps; ++c) {
    const opj_image_comp_t& part = image.comps[c];
    if (part.dx != 1 || part.dy != 1) return "channels of reduced size in JPEG 2000 are not read";
    if (part.sgnd || part.prec > static_cast<OPJ_UINT32>(shape.bits))
      return fmt::format("its JPEG 2000 data have {}{} bits a value, the image {}", part.sgnd ? "signed " : "",
                         part.prec, shape.bits);
  }
  return "";
}

void ToRgb(double& red, double& green, double& blue) {
  const double y = red, cb = green - 128, cr = blue - 128;
  red = y + 1.402 * cr;
  green = y - 0.344136 * cb - 0.714136 * cr;
  blue = y + 1.772 * cb;
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
      double values[4] = {};
      for (int64_t c = 0; c < shape.channels; ++c) values[c] = image.comps[c].data[y * shape.width + x];
      if (shape.is_ycbcr && shape.channels == 3) ToRgb(values[0], values[1], values[2]);
      for (int64_t c = 0; c < shape.channels; ++c)
        Store(values[c], shape.bits, out.data() + ((y * shape.row_pixels + x) * shape.channels + c) * bytes);
    }
}

}  // namespace

std::string DecodeJpeg2000(std::span<const std::byte> bytes, const Jpeg2000Shape& shape, std::span<uint8_t> out) {
  GENVINCI_CHECK(
      shape.channels >= 1 && shape.channels <= 4 && shape.row_pixels >= shape.width &&
          out.size() >= static_cast<size_t>(shape.row_pixels * shape.height * shape.channels * shape.bits / 8),
      "JPEG 2000 of {} channels into {} bytes", shape.channels, out.size());
  const bool is_bare = bytes.size() >= 4 && std::memcmp(bytes.data(), kCodestream, 4) == 0;
  std::string complaint;
  const std::unique_ptr<opj_codec_t, CodecCloser> codec(opj_create_decompress(is_bare ? OPJ_CODEC_J2K : OPJ_CODEC_JP2));
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
  if (const std::string what = Mismatch(*image, shape); !what.empty()) return what;
  if (!opj_decode(codec.get(), stream.get(), image.get()) || !opj_end_decompress(codec.get(), stream.get()))
    return failed();
  if (!complaint.empty()) return failed();
  for (OPJ_UINT32 c = 0; c < image->numcomps; ++c)
    if (!image->comps[c].data || image->comps[c].w != static_cast<OPJ_UINT32>(shape.width) ||
        image->comps[c].h != static_cast<OPJ_UINT32>(shape.height))
      return "its JPEG 2000 data lack a channel";
  Interleave(*image, shape, out);
  return "";
}

}  // namespace genvinci::internal
