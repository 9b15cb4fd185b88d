#include "morphology_image.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "genvinci/technologies/section.h"

namespace genvinci {
namespace {

constexpr double kThinnest = 0.5;  // px, of a radius
constexpr int64_t kSomaChannel = 0, kAxonChannel = 1, kDendriteChannel = 2;

int64_t ChannelOf(int64_t type) {
  return type == kSwcSoma ? kSomaChannel : type == kSwcAxon ? kAxonChannel : kDendriteChannel;
}

struct Disc {
  Point centre;  // px
  double radius = 0;
};

class MorphologyCanvas {
 public:
  explicit MorphologyCanvas(int64_t size) : image(size, size, 3) {}

  // The hull of two discs, roughly: at each point of the axis the radius in between.
  void Draw(const Disc& a, const Disc& b, int64_t channel) {
    const double reach = std::max(a.radius, b.radius) + 1;
    const auto low = [&](double u, double v) {
      return static_cast<int64_t>(std::floor(std::max(std::min(u, v) - reach, 0.0)));
    };
    const auto high = [&](double u, double v) {
      return static_cast<int64_t>(std::ceil(std::min(std::max(u, v) + reach, static_cast<double>(image.width))));
    };
    const double dx = b.centre.x - a.centre.x, dy = b.centre.y - a.centre.y, length = dx * dx + dy * dy;
    for (int64_t y = low(a.centre.y, b.centre.y); y < high(a.centre.y, b.centre.y); ++y)
      for (int64_t x = low(a.centre.x, b.centre.x); x < high(a.centre.x, b.centre.x); ++x) {
        const double px = static_cast<double>(x) + 0.5 - a.centre.x, py = static_cast<double>(y) + 0.5 - a.centre.y;
        const double t = length > 0 ? std::clamp((px * dx + py * dy) / length, 0.0, 1.0) : 0;
        const double qx = px - t * dx, qy = py - t * dy;
        const double inside = a.radius + t * (b.radius - a.radius) - std::sqrt(qx * qx + qy * qy);
        const auto value = static_cast<uint8_t>(std::floor(255 * std::clamp(inside + 0.5, 0.0, 1.0) + 0.5));
        uint8_t& to = image.At(x, y)[channel];
        to = std::max(to, value);
      }
  }

  bool Holds(const Point& point) const {
    return point.x >= 0 && point.y >= 0 && point.x < static_cast<double>(image.width) &&
           point.y < static_cast<double>(image.height);
  }

  Image image;
};

// The soma's mean, else the middle of the extent, in the file's unit.
Point MiddleOf(const Swc& swc) {
  Point sum, low{std::numeric_limits<double>::max(), std::numeric_limits<double>::max()};
  Point high{-low.x, -low.y};
  double somata = 0;
  for (const SwcPoint& point : swc.points) {
    low = {std::min(low.x, point.x), std::min(low.y, point.y)};
    high = {std::max(high.x, point.x), std::max(high.y, point.y)};
    if (point.type != kSwcSoma) continue;
    sum = {sum.x + point.x, sum.y + point.y};
    ++somata;
  }
  if (somata > 0) return {sum.x / somata, sum.y / somata};
  return {(low.x + high.x) / 2, (low.y + high.y) / 2};
}

}  // namespace

MorphologyImage DrawMorphology(const Swc& swc, const MorphologyView& view) {
  MorphologyCanvas canvas(view.size);
  const Point middle = MiddleOf(swc);
  const double scale = view.um_per_unit / view.um_per_px, half = static_cast<double>(view.size) / 2;
  const auto place = [&](const SwcPoint& point) {
    const double down = view.is_upright ? middle.y - point.y : point.y - middle.y;
    return Disc{{half + scale * (point.x - middle.x), half + scale * down}, std::max(scale * point.radius, kThinnest)};
  };
  double length = 0, cut = 0;
  for (const SwcPoint& point : swc.points) {
    const Disc here = place(point);
    if (point.parent < 0) {
      canvas.Draw(here, here, ChannelOf(point.type));
      continue;
    }
    const SwcPoint& parent = swc.points[static_cast<size_t>(point.parent)];
    Disc from = place(parent);
    // A neurite leaves the soma as wide as it is, not as wide as the soma.
    if (parent.type == kSwcSoma && point.type != kSwcSoma) from.radius = here.radius;
    canvas.Draw(from, here, ChannelOf(point.type));
    if (parent.type == kSwcSoma) canvas.Draw(place(parent), place(parent), kSomaChannel);
    if (point.type == kSwcSoma) continue;
    const double step = std::hypot(here.centre.x - from.centre.x, here.centre.y - from.centre.y);
    length += step;
    if (!canvas.Holds(here.centre)) cut += step;
  }
  return {std::move(canvas.image), length > 0 ? cut / length : 0};
}

}  // namespace genvinci
