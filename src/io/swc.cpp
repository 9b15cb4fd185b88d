#include "genvinci/io/swc.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <string_view>
#include <unordered_map>

#include "genvinci/core/error.h"
#include "genvinci/core/text.h"
#include "line_reader.h"

namespace genvinci {
namespace {

constexpr size_t kMostSwcLine = 65536;
constexpr size_t kMostSwcNotes = 8;
// In any unit; what is below can be added, scaled and rounded to px without overflow.
constexpr double kMostSwcValue = 1e9;
constexpr double kMostWhole = 9e15;  // of what a double holds exactly

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
  if (!ParseNumber(text, number) || std::abs(number) > kMostWhole || number != std::floor(number)) return false;
  value = static_cast<int64_t>(number);
  return true;
}

bool SpeaksOfUnits(std::string_view comment) {
  std::string lower;
  for (const char c : comment) lower += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  for (const char* word : {"scale", "unit", "micron", "micromet", "nanomet", "voxel", "pixel", "resolution"})
    if (lower.find(word) != std::string::npos) return true;
  return false;
}

void RequireInRange(const SwcPoint& point, const LineReader& lines) {
  for (const double value : {point.x, point.y, point.z, point.radius})
    if (std::abs(value) > kMostSwcValue)
      throw DataError("SWC_RANGE", "{}: line {}: a value of {:g}, of at most {:g}: trace it again",
                      lines.path().string(), lines.line(), value, kMostSwcValue);
  if (point.radius < 0)
    throw DataError("SWC_RADIUS", "{}: line {}: a radius of {}: trace it again", lines.path().string(), lines.line(),
                    point.radius);
}

// `numbers` are the points' lines.
void RequireTrees(const Swc& swc, const std::vector<int64_t>& numbers, const fs::path& path) {
  // 0: not seen, 1: on the way to its root, 2: leads to one.
  std::vector<uint8_t> state(swc.points.size(), 0);
  std::vector<size_t> way;
  for (size_t i = 0; i < swc.points.size(); ++i) {
    way.clear();
    for (size_t at = i; state[at] != 2;) {
      if (state[at] == 1)
        throw DataError("SWC_CYCLE", "{}: line {}: the point is its own ancestor: trace it again", path.string(),
                        numbers[at]);
      state[at] = 1;
      way.push_back(at);
      if (swc.points[at].parent < 0) break;
      at = static_cast<size_t>(swc.points[at].parent);
    }
    for (const size_t at : way) state[at] = 2;
  }
}

double Distance(const SwcPoint& a, const SwcPoint& b) {
  const double dx = a.x - b.x, dy = a.y - b.y, dz = a.z - b.z;
  return std::sqrt(dx * dx + dy * dy + dz * dz);
}

bool IsSomaPoint(const Swc& swc, int64_t i) { return i >= 0 && swc.points[static_cast<size_t>(i)].type == kSwcSoma; }

// The soma's points from its first to its last where they are one chain without a branch; else empty.
std::vector<size_t> SomaChain(const Swc& swc, const std::vector<size_t>& somata) {
  std::unordered_map<size_t, size_t> next;
  std::vector<size_t> chain;
  for (const size_t i : somata) {
    const int64_t parent = swc.points[i].parent;
    if (!IsSomaPoint(swc, parent)) {
      if (!chain.empty()) return {};
      chain.push_back(i);
    } else if (!next.emplace(static_cast<size_t>(parent), i).second) {
      return {};
    }
  }
  if (chain.empty()) return {};
  for (auto found = next.find(chain[0]); found != next.end(); found = next.find(chain.back()))
    chain.push_back(found->second);
  return chain;
}

// An outline ends beside its start; cylinders on top of each other do not.
bool ComesBack(const Swc& swc, const std::vector<size_t>& chain) {
  if (chain.size() < 4) return false;
  double length = 0;
  for (size_t k = 1; k < chain.size(); ++k) length += Distance(swc.points[chain[k - 1]], swc.points[chain[k]]);
  return 3 * Distance(swc.points[chain.front()], swc.points[chain.back()]) <= length && length > 0;
}

// `facts.soma_points` are in the file's order; an outline's come into its own.
SwcSoma KindOfSoma(const Swc& swc, SwcFacts& facts) {
  const std::vector<size_t>& somata = facts.soma_points;
  if (somata.empty()) return SwcSoma::kNone;
  std::map<int64_t, int64_t> children;  // in the soma
  for (const size_t i : somata)
    if (IsSomaPoint(swc, swc.points[i].parent)) ++children[swc.points[i].parent];
  if (children.empty()) return SwcSoma::kPoints;
  if (somata.size() == 3 && children.begin()->second == 2) return SwcSoma::kThreePoint;
  std::vector<size_t> chain = SomaChain(swc, somata);
  if (!ComesBack(swc, chain)) return SwcSoma::kCylinders;
  facts.soma_points = std::move(chain);
  return SwcSoma::kOutline;
}

}  // namespace

SwcFacts FactsOf(const Swc& swc) {
  SwcFacts facts;
  for (size_t i = 0; i < swc.points.size(); ++i) {
    const SwcPoint& point = swc.points[i];
    const std::array<double, 3> at = {point.x, point.y, point.z};
    for (size_t axis = 0; axis < at.size(); ++axis) {
      facts.low[axis] = i == 0 ? at[axis] : std::min(facts.low[axis], at[axis]);
      facts.high[axis] = i == 0 ? at[axis] : std::max(facts.high[axis], at[axis]);
    }
    facts.zero_radii += point.radius == 0;
    if (point.type == kSwcSoma)
      facts.soma_points.push_back(i);
    else if (point.parent >= 0)
      facts.length_of_type[point.type] += Distance(point, swc.points[static_cast<size_t>(point.parent)]);
  }
  facts.soma = KindOfSoma(swc, facts);
  return facts;
}

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
    if (start == std::string_view::npos) continue;
    if (line[start] == '#') {
      const size_t end = line.find_last_not_of(" \t\r") + 1;
      if (swc.unit_notes.size() < kMostSwcNotes && SpeaksOfUnits(line))
        swc.unit_notes.emplace_back(line.substr(start, std::min<size_t>(end - start, 100)));
      continue;
    }
    std::array<std::string_view, 7> fields;
    SwcPoint point;
    int64_t id = 0, parent = 0;
    if (!SwcFields(line, fields) || !SwcWhole(fields[0], id) || !SwcWhole(fields[1], point.type) ||
        !ParseNumber(fields[2], point.x) || !ParseNumber(fields[3], point.y) || !ParseNumber(fields[4], point.z) ||
        !ParseNumber(fields[5], point.radius) || !SwcWhole(fields[6], parent))
      throw DataError("SWC_FORMAT", "{}: line {}: '{}' is not id, type, x, y, z, radius, parent", path.string(),
                      lines.line(), line.substr(0, 60));
    RequireInRange(point, lines);
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
  RequireTrees(swc, numbers, path);
  return swc;
}

}  // namespace genvinci
