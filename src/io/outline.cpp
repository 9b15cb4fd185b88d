#include "genvinci/io/outline.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "genvinci/core/error.h"

namespace genvinci {
namespace {

constexpr uint32_t kPolygon = 3, kMultiPolygon = 6;
constexpr uint32_t kEwkbZ = 0x80000000, kEwkbM = 0x40000000, kEwkbSrid = 0x20000000;

class WkbParser {
 public:
  explicit WkbParser(std::string_view bytes) : rest_(bytes) {}

  Outline Parse() {
    Outline outline;
    ReadGeometry(outline, /*may_be_multi=*/true);
    if (!rest_.empty()) throw DataError("WKB", "a geometry is followed by {} bytes", rest_.size());
    return outline;
  }

 private:
  void ReadGeometry(Outline& outline, bool may_be_multi) {
    const auto order = static_cast<uint8_t>(Take(1)[0]);
    if (order > 1) throw DataError("WKB", "a geometry's byte order is {}, 0 or 1 are known", order);
    is_swapped_ = (order == 1) != (std::endian::native == std::endian::little);
    uint32_t kind = Read<uint32_t>();
    size_t axes = 2;
    if (kind & kEwkbZ) ++axes;
    if (kind & kEwkbM) ++axes;
    if (kind & kEwkbSrid) Read<uint32_t>();
    kind &= 0x1FFFFFFF;
    // ISO's kinds of 1000 and up have Z, M or both.
    if (kind >= 1000) axes += kind / 1000 == 3 ? 2 : 1;
    kind %= 1000;
    if (kind == kMultiPolygon && may_be_multi) {
      const auto parts = Read<uint32_t>();
      for (uint32_t i = 0; i < parts; ++i) ReadGeometry(outline, /*may_be_multi=*/false);
    } else if (kind == kPolygon) {
      const auto rings = Read<uint32_t>();
      for (uint32_t i = 0; i < rings; ++i) ReadRing(outline, axes);
    } else {
      throw DataError("WKB", "a geometry of kind {}: Polygon (3) and MultiPolygon (6) are read", kind);
    }
  }

  void ReadRing(Outline& outline, size_t axes) {
    const auto corners = Read<uint32_t>();
    if (corners > rest_.size() / (axes * sizeof(double)))
      throw DataError("WKB", "a ring of {} corners is cut", corners);
    Ring& ring = outline.rings.emplace_back();
    for (uint32_t i = 0; i < corners; ++i) {
      Corner corner;
      corner.x = Read<double>();
      corner.y = Read<double>();
      Take((axes - 2) * sizeof(double));
      if (!std::isfinite(corner.x) || !std::isfinite(corner.y)) throw DataError("WKB", "a corner is not finite");
      ring.push_back(corner);
    }
  }

  template <typename T>
  T Read() {
    std::array<char, sizeof(T)> bytes;
    std::memcpy(bytes.data(), Take(sizeof(T)).data(), sizeof(T));
    if (is_swapped_) std::reverse(bytes.begin(), bytes.end());
    return std::bit_cast<T>(bytes);
  }

  std::string_view Take(size_t count) {
    if (count > rest_.size()) throw DataError("WKB", "a geometry is cut");
    const std::string_view taken = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return taken;
  }

  std::string_view rest_;
  bool is_swapped_ = false;
};

bool IsInside(const Corner& point, const Ring& ring) {
  bool inside = false;
  for (size_t i = 0, j = ring.size() - 1; i < ring.size(); j = i++)
    if ((ring[i].y > point.y) != (ring[j].y > point.y) &&
        point.x < (ring[j].x - ring[i].x) * (point.y - ring[i].y) / (ring[j].y - ring[i].y) + ring[i].x)
      inside = !inside;
  return inside;
}

}  // namespace

Outline ParseWkb(std::string_view bytes) { return WkbParser(bytes).Parse(); }

OutlineFacts Measure(const Outline& outline) {
  double area = 0, x = 0, y = 0, corners = 0;
  Corner mean;
  for (size_t r = 0; r < outline.rings.size(); ++r) {
    const Ring& ring = outline.rings[r];
    double ring_area = 0, ring_x = 0, ring_y = 0;
    for (size_t i = 0, j = ring.size() - 1; i < ring.size(); j = i++) {
      const double cross = ring[j].x * ring[i].y - ring[i].x * ring[j].y;
      ring_area += cross / 2;
      ring_x += (ring[j].x + ring[i].x) * cross / 6;
      ring_y += (ring[j].y + ring[i].y) * cross / 6;
      mean.x += ring[i].x;
      mean.y += ring[i].y;
      ++corners;
    }
    size_t around = 0;
    for (size_t other = 0; other < outline.rings.size() && !ring.empty(); ++other)
      if (other != r && outline.rings[other].size() > 2) around += IsInside(ring[0], outline.rings[other]);
    const double sign = (ring_area < 0 ? -1 : 1) * (around % 2 == 1 ? -1 : 1);
    area += sign * ring_area;
    x += sign * ring_x;
    y += sign * ring_y;
  }
  if (area > 0) return {area, {x / area, y / area}};
  if (corners > 0) return {0, {mean.x / corners, mean.y / corners}};
  return {0, {std::nan(""), std::nan("")}};
}

}  // namespace genvinci
