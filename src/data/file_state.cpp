#include "genvinci/data/file_state.h"

#include <fmt/format.h>

#include <algorithm>
#include <system_error>
#include <vector>

namespace genvinci {
namespace {

std::string LineOf(const fs::path& file) {
  std::error_code error;
  return fmt::format("{} {} {}\n", file.filename().string(), fs::file_size(file, error),
                     fs::last_write_time(file, error).time_since_epoch().count());
}

}  // namespace

std::string FileState(const fs::path& path) {
  std::error_code error;
  if (!fs::is_directory(path, error)) return LineOf(path);
  std::vector<std::string> lines;
  for (const auto& entry : fs::directory_iterator(path)) {
    if (entry.is_regular_file(error)) lines.push_back(LineOf(entry.path()));
  }
  std::sort(lines.begin(), lines.end());
  std::string text;
  for (const std::string& line : lines) text += line;
  return text;
}

}  // namespace genvinci
