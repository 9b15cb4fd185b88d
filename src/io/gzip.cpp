#include "genvinci/io/gzip.h"

#include <zlib.h>

#include <algorithm>
#include <limits>

#include "genvinci/core/error.h"

namespace genvinci {
namespace {

constexpr int kGzipWindow = 15 + 16;  // zlib's code for a 32 KiB window in a gzip wrapper
constexpr uint64_t kMaxRatio = 1000;
constexpr uint64_t kFreeTextBytes = 64 << 10;  // a short text may be one run of equal bytes

}  // namespace

struct GzipReader::Stream {
  explicit Stream(std::span<const std::byte> bytes) : rest(bytes) {
    GENVINCI_CHECK(inflateInit2(&z, kGzipWindow) == Z_OK, "zlib: no memory");
  }
  ~Stream() { inflateEnd(&z); }

  z_stream z{};
  std::span<const std::byte> rest;
  uint64_t taken = 0, made = 0;
  bool member_ended = false, ended = false;
};

bool IsGzip(std::span<const std::byte> bytes) {
  return bytes.size() >= 2 && bytes[0] == std::byte{0x1f} && bytes[1] == std::byte{0x8b};
}

GzipReader::GzipReader(std::span<const std::byte> bytes) : stream_(std::make_unique<Stream>(bytes)) {}
GzipReader::~GzipReader() = default;

bool GzipReader::NextMember() {
  Stream& s = *stream_;
  s.member_ended = false;
  s.ended = s.rest.empty();
  if (s.ended) return false;
  if (!IsGzip(s.rest)) problem_ = "other bytes follow the gzip stream";
  inflateReset(&s.z);
  return problem_.empty();
}

size_t GzipReader::Read(std::span<char> out) {
  Stream& s = *stream_;
  constexpr size_t kStep = std::numeric_limits<uInt>::max() / 2;
  while (problem_.empty() && !s.ended && !out.empty()) {
    if (s.member_ended && !NextMember()) break;
    const uInt in_size = static_cast<uInt>(std::min(s.rest.size(), kStep));
    const uInt out_size = static_cast<uInt>(std::min(out.size(), kStep));
    s.z.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(s.rest.data()));
    s.z.avail_in = in_size;
    s.z.next_out = reinterpret_cast<Bytef*>(out.data());
    s.z.avail_out = out_size;
    const int code = inflate(&s.z, Z_NO_FLUSH);
    const size_t taken = in_size - s.z.avail_in, made = out_size - s.z.avail_out;
    s.rest = s.rest.subspan(taken);
    s.taken += taken;
    s.made += made;
    s.member_ended = code == Z_STREAM_END;
    if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR) {
      problem_ = std::string("corrupt gzip stream (") + (s.z.msg ? s.z.msg : "bad data") + ")";
    } else if (s.made > kMaxRatio * s.taken + kFreeTextBytes) {
      problem_ = "the gzip stream inflates by more than 1000:1";
    } else if (made == 0 && taken == 0 && !s.member_ended) {
      problem_ = "the gzip stream is cut short";
    }
    if (made > 0) return made;
  }
  return 0;
}

std::string Gunzip(std::span<const std::byte> bytes, std::string_view source, size_t limit) {
  GzipReader reader(bytes);
  std::string text;
  size_t size = 0;
  do {
    text.resize(std::max<size_t>(64 << 10, size * 2));
    while (size < text.size()) {
      const size_t count = reader.Read(std::span(text).subspan(size));
      if (count == 0) break;
      size += count;
    }
    if (size > limit) throw DataError("GZIP_SIZE", "{}: inflates to more than {} bytes", source, limit);
  } while (size == text.size());
  if (!reader.problem().empty()) {
    throw DataError("GZIP_CORRUPT", "{}: {}: fetch the file again", source, reader.problem());
  }
  text.resize(size);
  return text;
}

std::string Gzip(std::string_view bytes) {
  z_stream z{};
  GENVINCI_CHECK(bytes.size() < std::numeric_limits<uInt>::max(), "{} bytes at once", bytes.size());
  GENVINCI_CHECK(deflateInit2(&z, 9, Z_DEFLATED, kGzipWindow, 9, Z_DEFAULT_STRATEGY) == Z_OK, "zlib: no memory");
  std::string out(deflateBound(&z, bytes.size()), '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  z.avail_in = static_cast<uInt>(bytes.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  const int code = deflate(&z, Z_FINISH);
  out.resize(z.total_out);
  deflateEnd(&z);
  GENVINCI_CHECK(code == Z_STREAM_END, "deflate returned {}", code);
  return out;
}

}  // namespace genvinci
