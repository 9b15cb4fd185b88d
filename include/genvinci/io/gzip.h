#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace genvinci {

// Whether the bytes start as a gzip stream does.
bool IsGzip(std::span<const std::byte> bytes);

// Inflates a gzip stream (one member or several in a row) piece by piece, so that what inflates to more than memory
// holds is refused before it is there. The bytes must outlive it.
class GzipReader {
 public:
  explicit GzipReader(std::span<const std::byte> bytes);
  ~GzipReader();

  // Fills the front of `out` and returns how much, 0 at the end. Where the stream is cut or corrupt, is followed by
  // other bytes, or inflates by more than 1000:1, it ends too and problem() says what is wrong.
  size_t Read(std::span<char> out);
  const std::string& problem() const { return problem_; }

 private:
  struct Stream;
  bool NextMember();
  std::unique_ptr<Stream> stream_;
  std::string problem_;
};

// The whole stream. DataError GZIP_CORRUPT names `source`; GZIP_SIZE when it inflates to more than `limit` bytes.
std::string Gunzip(std::span<const std::byte> bytes, std::string_view source, size_t limit = size_t{1} << 30);

// A gzip stream of `bytes`, always the same for the same bytes (no name, no time).
std::string Gzip(std::string_view bytes);

}  // namespace genvinci
