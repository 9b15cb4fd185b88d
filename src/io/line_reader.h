#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "genvinci/core/files.h"

namespace genvinci {

// The lines of a text file, plain or gzip (told by its signature), in a buffer that slides.
class LineReader {
 public:
  LineReader(const fs::path& path, size_t max_line);
  ~LineReader();

  // The next line without its '\n', in memory that may be written to until the next call; false at the end. DataError
  // TABLE_LINE (longer than max_line) and TABLE_GZIP (cut, corrupt, inflates too far) name the line.
  bool Next(std::span<char>& line);
  int64_t line() const { return line_; }  // number of the line last read, from 1
  const fs::path& path() const { return path_; }

 private:
  struct Source;
  fs::path path_;
  size_t max_line_;
  std::unique_ptr<Source> source_;
  int64_t line_ = 0;
};

}  // namespace genvinci
