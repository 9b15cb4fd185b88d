#include "line_reader.h"

#include <algorithm>
#include <cstring>

#include "genvinci/core/error.h"
#include "genvinci/io/gzip.h"

namespace genvinci {
namespace {

constexpr size_t kChunk = size_t{1} << 20;

}  // namespace

// [begin, end) of the buffer was read and not yet handed out.
struct LineReader::Source {
  explicit Source(const fs::path& path) : file(path), rest(file.bytes()) {
    if (IsGzip(rest)) gzip = std::make_unique<GzipReader>(rest);
  }

  size_t Fill() {
    if (begin > 0) std::memmove(buffer.data(), buffer.data() + begin, end - begin);
    end -= begin;
    begin = 0;
    if (buffer.size() - end < kChunk) buffer.resize(std::max(2 * buffer.size(), end + kChunk));
    const std::span<char> free(buffer.data() + end, buffer.size() - end);
    const size_t count = gzip ? gzip->Read(free) : Copy(free);
    end += count;
    return count;
  }

  size_t Copy(std::span<char> out) {
    const size_t count = std::min(out.size(), rest.size());
    if (count > 0) std::memcpy(out.data(), rest.data(), count);
    rest = rest.subspan(count);
    return count;
  }

  MappedFile file;
  std::span<const std::byte> rest;
  std::unique_ptr<GzipReader> gzip;
  std::vector<char> buffer;
  size_t begin = 0, end = 0;
};

LineReader::LineReader(const fs::path& path, size_t max_line)
    : path_(path), max_line_(max_line), source_(std::make_unique<Source>(path)) {}

LineReader::~LineReader() = default;

bool LineReader::Next(std::span<char>& line) {
  Source& s = *source_;
  size_t searched = 0;
  const char* newline = nullptr;
  bool ended = false;
  while (!newline && !ended) {
    const char* start = s.buffer.data() + s.begin;
    const size_t available = s.end - s.begin;
    if (available > searched)
      newline = static_cast<const char*>(std::memchr(start + searched, '\n', available - searched));
    searched = newline ? newline - start : available;
    if (searched > max_line_)
      throw DataError("TABLE_LINE", "{}: line {} is longer than {} bytes: this is no table", path_.string(), line_ + 1,
                      max_line_);
    if (!newline) ended = s.Fill() == 0;
  }
  if (ended && s.gzip && !s.gzip->problem().empty())
    throw DataError("TABLE_GZIP", "{}: line {}: {}: fetch the file again", path_.string(), line_ + 1,
                    s.gzip->problem());
  if (ended && searched == 0) return false;
  line = {s.buffer.data() + s.begin, searched};
  s.begin += searched + (newline ? 1 : 0);
  ++line_;
  return true;
}

}  // namespace genvinci
