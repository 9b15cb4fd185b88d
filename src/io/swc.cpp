#include "genvinci/io/swc.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <unordered_map>

#include "genvinci/core/error.h"
#include "genvinci/core/text.h"
#include "line_reader.h"

namespace genvinci {
namespace {

constexpr size_t kMostSwcLine = 65536;

// A line's fields, apart by blanks; false: it has fewer.
bool SwcFields(std::string_view line, std::array<std::string_view, 7>& fields) {
  size_t count = 0;
  while (count < fields.size()) {
    const size_t start = line.find_first_not_of(" \t\r,");
    if (start == std::string_view::npos) break;
    const size_t end = std::min(line.find_first_of(" \t\r,", start), line.size());
    fields[count++] = line.substr(start, end - start);
    line.remove_prefix(end);
  }
  return count == fields.size();
}

// Whole numbers may be written as 3.0.
bool SwcWhole(std::string_view text, int64_t& value) {
  double number = 0;
  if (ParseInteger(text, value)) return true;
  if (!ParseNumber(text, number) || number != static_cast<double>(static_cast<int64_t>(number))) return false;
  value = static_cast<int64_t>(number);
  return true;
}

void RequireTrees(const Swc& swc, const fs::path& path) {
  // 0: not seen, 1: on the way to its root, 2: leads to one.
  std::vector<uint8_t> state(swc.points.size(), 0);
  std::vector<size_t> way;
  for (size_t i = 0; i < swc.points.size(); ++i) {
    way.clear();
    for (size_t at = i; state[at] != 2;) {
      if (state[at] == 1)
        throw DataError("SWC_CYCLE", "{}: point number {} is its own ancestor: trace it again", path.string(), at + 1);
      state[at] = 1;
      way.push_back(at);
      if (swc.points[at].parent < 0) break;
      at = static_cast<size_t>(swc.points[at].parent);
    }
    for (const size_t at : way) state[at] = 2;
  }
}

}  // namespace

Swc ReadSwc(const fs::path& path) {
  RequireFile(path);
  LineReader lines(path, kMostSwcLine);
  Swc swc;
  std::vector<int64_t> parents, numbers;  // as the file has them; lines
  std::unordered_map<int64_t, int64_t> index;
  std::span<char> raw;
  while (lines.Next(raw)) {
    std::string_view line(raw.data(), raw.size());
    if (line.starts_with("\xEF\xBB\xBF")) line.remove_prefix(3);
    const size_t start = line.find_first_not_of(" \t\r");
    if (start == std::string_view::npos || line[start] == '#') continue;
    std::array<std::string_view, 7> fields;
    SwcPoint point;
    int64_t id = 0, parent = 0;
    if (!SwcFields(line, fields) || !SwcWhole(fields[0], id) || !SwcWhole(fields[1], point.type) ||
        !ParseNumber(fields[2], point.x) || !ParseNumber(fields[3], point.y) || !ParseNumber(fields[4], point.z) ||
        !ParseNumber(fields[5], point.radius) || !SwcWhole(fields[6], parent))
      throw DataError("SWC_FORMAT", "{}: line {}: '{}' is not id, type, x, y, z, radius, parent", path.string(),
                      lines.line(), line.substr(0, 60));
    if (point.radius < 0)
      throw DataError("SWC_RADIUS", "{}: line {}: a radius of {}: trace it again", path.string(), lines.line(),
                      point.radius);
    if (!index.emplace(id, static_cast<int64_t>(swc.points.size())).second)
      throw DataError("SWC_ID", "{}: line {}: point {} is there twice", path.string(), lines.line(), id);
    swc.points.push_back(point);
    parents.push_back(parent);
    numbers.push_back(lines.line());
  }
  if (swc.points.empty()) throw DataError("SWC_EMPTY", "{}: holds no point: check the file", path.string());
  for (size_t i = 0; i < swc.points.size(); ++i) {
    if (parents[i] < 0) {
      ++swc.roots;
      continue;
    }
    const auto found = index.find(parents[i]);
    if (found == index.end())
      throw DataError("SWC_PARENT", "{}: line {}: its parent, point {}, is not there: trace it again", path.string(),
                      numbers[i], parents[i]);
    swc.points[i].parent = found->second;
  }
  RequireTrees(swc, path);
  return swc;
}

}  // namespace genvinci
