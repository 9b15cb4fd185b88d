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

double Length(double x, double y) { return std::sqrt(x * x + y * y); }

// How far a point lies within the hull of two discs (negative: outside): past the tangent points the discs' own edges,
// between them the straight edge.
class TaperedSegment {
 public:
  TaperedSegment(const Disc& a, const Disc& b) : a_(a), b_(b), length_(0) {
    const double dx = b.centre.x - a.centre.x, dy = b.centre.y - a.centre.y, length = Length(dx, dy);
    if (length <= std::abs(a.radius - b.radius)) return;
    length_ = length;
    axis_ = {dx / length, dy / length};
    sine_ = (a.radius - b.radius) / length;
    cosine_ = std::sqrt(1 - sine_ * sine_);
  }

  double Inside(const Point& point) const {
    const double px = point.x - a_.centre.x, py = point.y - a_.centre.y;
    const double in_a = a_.radius - Length(px, py);
    const double in_b = b_.radius - Length(point.x - b_.centre.x, point.y - b_.centre.y);
    if (length_ == 0) return std::max(in_a, in_b);  // one holds the other
    const double along = px * axis_.x + py * axis_.y, across = std::abs(px * axis_.y - py * axis_.x);
    const double foot = cosine_ * along - sine_ * across;
    if (foot <= 0) return in_a;
    if (foot >= cosine_ * length_) return in_b;
    return a_.radius - (cosine_ * across + sine_ * along);
  }

 private:
  Disc a_, b_;
  double length_;  // 0: one disc holds the other
  Point axis_;
  double sine_ = 0, cosine_ = 1;  // of the edge to the axis
};

// The same of a closed outline, by how often its edges pass to the right of the point.
double InsideOutline(const std::vector<Point>& outline, const Point& point) {
  double nearest = std::numeric_limits<double>::max();
  bool is_inside = false;
  for (size_t k = 0; k < outline.size(); ++k) {
    const Point &a = outline[k], &b = outline[(k + 1) % outline.size()];
    const double dx = b.x - a.x, dy = b.y - a.y, px = point.x - a.x, py = point.y - a.y;
    const double squared = dx * dx + dy * dy;
    const double t = squared > 0 ? std::clamp((px * dx + py * dy) / squared, 0.0, 1.0) : 0;
    nearest = std::min(nearest, Length(px - t * dx, py - t * dy));
    if ((a.y > point.y) != (b.y > point.y) && px < dx * py / dy) is_inside = !is_inside;
  }
  return is_inside ? nearest : -nearest;
}

// The share of a straight way that lies in a square from 0 to `size` (Liang and Barsky 1984).
double ShareWithin(const Point& a, const Point& b, double size) {
  double from = 0, to = 1;
  const auto cut = [&](double start, double step) {
    for (const double sign : {1.0, -1.0}) {
      // sign 1: stay above 0; -1: below size.
      const double room = sign > 0 ? start : size - start, towards = -sign * step;
      if (towards == 0 && room < 0) from = 2;
      if (towards > 0) to = std::min(to, room / towards);
      if (towards < 0) from = std::max(from, room / towards);
    }
  };
  cut(a.x, b.x - a.x);
  cut(a.y, b.y - a.y);
  return std::max(to - from, 0.0);
}

class MorphologyCanvas {
 public:
  explicit MorphologyCanvas(int64_t size) : image(size, size, 3) {}

  void Draw(const Disc& a, const Disc& b, int64_t channel) {
    const double reach = std::max(a.radius, b.radius);
    const TaperedSegment segment(a, b);
    Cover({std::min(a.centre.x, b.centre.x) - reach, std::min(a.centre.y, b.centre.y) - reach},
          {std::max(a.centre.x, b.centre.x) + reach, std::max(a.centre.y, b.centre.y) + reach}, channel,
          [&](const Point& point) { return segment.Inside(point); });
  }

  void Fill(const std::vector<Point>& outline, int64_t channel) {
    Point low = outline[0], high = outline[0];
    for (const Point& point : outline) {
      low = {std::min(low.x, point.x), std::min(low.y, point.y)};
      high = {std::max(high.x, point.x), std::max(high.y, point.y)};
    }
    Cover(low, high, channel, [&](const Point& point) { return InsideOutline(outline, point); });
  }

  Image image;

 private:
  // Pixels whose centres lie from `low` to `high`, and one more around.
  template <typename Inside>
  void Cover(const Point& low, const Point& high, int64_t channel, const Inside& inside) {
    const auto size = static_cast<double>(image.width);
    const auto start = [&](double value) { return static_cast<int64_t>(std::floor(std::clamp(value - 1, 0.0, size))); };
    const auto end = [&](double value) { return static_cast<int64_t>(std::ceil(std::clamp(value + 1, 0.0, size))); };
    for (int64_t y = start(low.y); y < end(high.y); ++y)
      for (int64_t x = start(low.x); x < end(high.x); ++x) {
        const double depth = inside({static_cast<double>(x) + 0.5, static_cast<double>(y) + 0.5});
        const auto value = static_cast<uint8_t>(std::floor(255 * std::clamp(depth + 0.5, 0.0, 1.0) + 0.5));
        uint8_t& to = image.At(x, y)[channel];
        to = std::max(to, value);
      }
  }
};

// Sorted first: a sum's last bit depends on its order.
double MeanOf(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

// The soma's middle, else that of the extent, in the file's unit.
Point MiddleOf(const Swc& swc, const SwcFacts& facts) {
  if (facts.soma == SwcSoma::kNone) return {(facts.low[0] + facts.high[0]) / 2, (facts.low[1] + facts.high[1]) / 2};
  std::vector<double> x, y;
  for (const size_t i : facts.soma_points) {
    const bool is_side = facts.soma == SwcSoma::kThreePoint && swc.points[i].parent >= 0 &&
                         swc.points[static_cast<size_t>(swc.points[i].parent)].type == kSwcSoma;
    if (is_side) continue;
    x.push_back(swc.points[i].x);
    y.push_back(swc.points[i].y);
  }
  return {MeanOf(std::move(x)), MeanOf(std::move(y))};
}

// The points on the image.
class PlacedNeuron {
 public:
  PlacedNeuron(const Swc& swc, const SwcFacts& facts, const MorphologyView& view)
      : swc_(swc),
        facts_(facts),
        middle_(MiddleOf(swc, facts)),
        scale_(view.um_per_unit / view.um_per_px),
        size_(static_cast<double>(view.size)),
        is_upright_(view.is_upright) {}

  Disc Place(const SwcPoint& point) const {
    const double down = is_upright_ ? middle_.y - point.y : point.y - middle_.y;
    return {{size_ / 2 + scale_ * (point.x - middle_.x), size_ / 2 + scale_ * down},
            std::max(scale_ * point.radius, kThinnest)};
  }

  void DrawSoma(MorphologyCanvas& canvas) const {
    std::vector<Point> outline;
    for (const size_t i : facts_.soma_points) {
      const SwcPoint& point = swc_.points[i];
      const SwcPoint* parent = point.parent < 0 ? nullptr : &swc_.points[static_cast<size_t>(point.parent)];
      const bool is_joined = parent && parent->type == kSwcSoma;
      const Disc here = Place(point);
      outline.push_back(here.centre);
      // The two side points of a soma of three say again what the middle's radius says.
      if (facts_.soma == SwcSoma::kThreePoint && is_joined) continue;
      canvas.Draw(is_joined ? Place(*parent) : here, here, kSomaChannel);
    }
    if (facts_.soma == SwcSoma::kOutline) canvas.Fill(outline, kSomaChannel);
  }

  // The segment between a point and its parent, at least one of which is no soma. Returns its length, and adds to
  // `within` what of it is in the image.
  double DrawNeurite(const SwcPoint& point, const SwcPoint& parent, MorphologyCanvas& canvas, double& within) const {
    Disc from = Place(parent), here = Place(point);
    // At a soma a neurite is as wide as it is itself.
    if (parent.type == kSwcSoma) from.radius = here.radius;
    if (point.type == kSwcSoma) here.radius = from.radius;
    canvas.Draw(from, here, ChannelOf(point.type == kSwcSoma ? parent.type : point.type));
    const double length = Length(here.centre.x - from.centre.x, here.centre.y - from.centre.y);
    within += length * ShareWithin(from.centre, here.centre, size_);
    return length;
  }

 private:
  const Swc& swc_;
  const SwcFacts& facts_;
  Point middle_;
  double scale_, size_;
  bool is_upright_;
};

}  // namespace

MorphologyImage DrawMorphology(const Swc& swc, const MorphologyView& view) {
  const SwcFacts facts = FactsOf(swc);
  const PlacedNeuron placed(swc, facts, view);
  MorphologyCanvas canvas(view.size);
  placed.DrawSoma(canvas);
  double length = 0, within = 0;
  for (const SwcPoint& point : swc.points) {
    if (point.parent < 0) {
      if (point.type != kSwcSoma) canvas.Draw(placed.Place(point), placed.Place(point), ChannelOf(point.type));
      continue;
    }
    const SwcPoint& parent = swc.points[static_cast<size_t>(point.parent)];
    if (point.type == kSwcSoma && parent.type == kSwcSoma) continue;
    length += placed.DrawNeurite(point, parent, canvas, within);
  }
  return {std::move(canvas.image), length > 0 ? std::clamp(1 - within / length, 0.0, 1.0) : 0};
}

}  // namespace genvinci
