#include <algorithm>
#include <cmath>

#include "virtual_picture.h"

namespace genvinci::internal {
namespace {

// Distance to the ellipse's border (first order) with an outline that wobbles.
float EllipseDistance(float u, float v, float a, float b, float wobble, float phase) {
  const float ua = u / a, vb = v / b;
  float ring = std::hypot(ua, vb);
  const float slope = std::hypot(ua / a, vb / b);
  if (slope < 1e-4f) return -b;
  if (wobble > 0) {
    const float turn = std::atan2(vb, ua);
    ring *= 1 + wobble * (std::sin(2 * turn + phase) + 0.7f * std::sin(3 * turn + 2.3f * phase));
  }
  return ring * (ring - 1) / slope;
}

// Distance to the nearest point of a jittered grid, in units of its pitch.
float CellNoise(uint32_t seed, float x, float y) {
  const float fx = std::floor(x), fy = std::floor(y);
  float nearest = 4;
  for (int i = 0; i < 9; ++i) {
    const float cx = fx + static_cast<float>(i % 3 - 1), cy = fy + static_cast<float>(i / 3 - 1);
    const float px = cx + 0.5f + 0.45f * SmoothNoise(seed, cx + 0.01f, cy),
                py = cy + 0.5f + 0.45f * SmoothNoise(seed + 5, cx + 0.01f, cy);
    nearest = std::min(nearest, std::hypot(x - px, y - py));
  }
  return nearest;
}

class Painter {
 public:
  Painter(const Layout& layout, int64_t px, bool glow) : layout_(layout), glow_(glow), canvas_(px, layout.field_um) {}

  Canvas Paint() {
    canvas_.Fill([&](float x, float y) { return Background(x, y); });
    for (const Vessel& vessel : layout_.vessels) PaintVessel(vessel);
    for (const Disc& cell : layout_.red_cells) PaintRedCell(cell);
    for (const Disc& lumen : layout_.lumens) PaintLumen(lumen);
    for (const Nucleus& nucleus : layout_.nuclei) PaintBody(nucleus);
    for (const Disc& speck : layout_.dust) PaintDust(speck);
    for (const Nucleus& nucleus : layout_.nuclei) PaintNucleus(nucleus);
    return std::move(canvas_);
  }

 private:
  Ink Choose(const Ink& stained, const Ink& glowing) const { return glow_ ? glowing : stained; }

  // What fills the space between nuclei.
  Ink Matrix(VirtualType type, float x, float y, const std::array<float, 2>& fibre) const {
    const uint32_t seed = layout_.seed;
    const auto [along, across] = fibre;
    switch (type) {
      case kTumour: {
        const float mottle = CloudNoise(seed + 41, x / 5, y / 5);
        return Choose({0.17f + 0.09f * mottle, 0.5f + 0.16f * mottle, 0, 0}, {0, 0.7f + 0.25f * mottle, 0, 0.03f});
      }
      case kLymphocyte: {
        const float net = std::abs(SmoothNoise(seed + 43, x / 4, y / 4));
        return Choose({0.14f, 0.24f + 0.25f * net, 0, 0}, {0, 0, 0.62f - 0.3f * net, 0.12f});
      }
      case kFibroblast: {
        const float strand = SmoothNoise(seed + 45, across / 1.9f, along / 17);
        const float bundle = SmoothNoise(seed + 47, across / 7, along / 30);
        return Choose({0.06f, 0.56f + 0.26f * strand + 0.24f * bundle, 0, 0},
                      {0, 0, 0, 0.45f + 0.3f * strand + 0.2f * bundle});
      }
      case kAdipocyte:
        return Choose({0.07f, 0.5f, 0, 0}, {0, 0, 0, 0.25f});
      case kEndothelium: {
        const float wisp = CloudNoise(seed + 49, across / 3.2f, along / 8);
        return Choose({0.07f, 0.36f + 0.3f * wisp, 0, 0}, {0, 0, 0.03f, 0.24f + 0.2f * wisp});
      }
      case kPlasmaCell:
        return Choose({0.07f, 0.3f + 0.14f * CloudNoise(seed + 51, x / 6, y / 6), 0, 0}, {0, 0, 0.12f, 0.1f});
      case kNecrosis: {
        const float grain = SmoothNoise(seed + 53, x / 1.7f, y / 1.7f), smudge = CloudNoise(seed + 55, x / 9, y / 9);
        return Choose({0.13f + 0.12f * smudge, 0.56f + 0.3f * grain + 0.22f * smudge, 0, 0},
                      {0.08f + 0.06f * smudge, 0.1f + 0.08f * grain, 0.08f, 0.1f});
      }
      default:
        return Choose({0.08f, 0.34f, 0, 0}, {0, 0, 0.15f, 0.12f});
    }
  }

  Ink Background(float x, float y) const {
    float weights[kVirtualTypes];
    layout_.territory.Weights(x, y, weights);
    const std::array<float, 2> fibre = layout_.FibreCoordinates(x, y);
    Ink sum{};
    for (size_t i = 0; i < layout_.territory.count(); ++i) {
      if (weights[i] < 0.01f) continue;
      const Ink ink = Matrix(layout_.territory.type(i), x, y, fibre);
      for (size_t k = 0; k < sum.size(); ++k) sum[k] += weights[i] * std::max(0.0f, ink[k]);
    }
    // Thickness varies, and threads run through everything.
    const auto [along, across] = fibre;
    const float thickness = 1 + 0.2f * CloudNoise(layout_.seed + 61, x / 12, y / 12);
    const float threads = 1 + 0.25f * SmoothNoise(layout_.seed + 63, across / 1.5f, along / 5);
    sum[0] *= thickness;
    for (size_t k = 1; k < sum.size(); ++k) sum[k] *= thickness * threads;
    const float empty = std::max(VacuoleCover(x, y), layout_.GapAt(x, y, fibre));
    for (float& amount : sum) amount *= 1 - empty;
    return sum;
  }

  // Vacuoles press one another flat; a thin rim stays between.
  float VacuoleCover(float x, float y) const {
    if (layout_.vacuoles.empty()) return 0;
    constexpr float kHalfRim = 0.6f;
    const auto [nearest, lead] = layout_.VacuoleDistance(x, y);
    const float distance = std::max(nearest, kHalfRim - lead / 2);
    return std::clamp(0.5f - distance * canvas_.px_per_um(), 0.0f, 1.0f);
  }

  void PaintVessel(const Vessel& vessel) {
    const float c = std::cos(vessel.angle), s = std::sin(vessel.angle);
    constexpr float kWall = 1.7f;
    const auto distance = [&](float grow) {
      return [=, &vessel](float u, float v) {
        return EllipseDistance(u * c + v * s, v * c - u * s, vessel.a + grow, vessel.b + grow, 0.03f, vessel.x);
      };
    };
    const Ink wall = Choose({0.12f, 0.68f, 0, 0}, {0, 0, 0, 0.85f});
    const Ink plasma = vessel.blood ? Choose({0, 0.14f, 0.1f, 0}, {0, 0, 0.02f, 0}) : Ink{};
    canvas_.Paint(vessel.x, vessel.y, vessel.a + 4, distance(kWall), [&](float, float, const Ink&) { return wall; });
    canvas_.Paint(vessel.x, vessel.y, vessel.a + 4, distance(0), [&](float, float, const Ink&) { return plasma; });
  }

  void PaintRedCell(const Disc& cell) {
    const auto distance = [&](float u, float v) { return std::hypot(u, v) - cell.radius; };
    // Thinner in the middle.
    const auto ink = [&](float u, float v, const Ink&) {
      const float depth = 0.36f + 0.22f * std::min(1.0f, (u * u + v * v) / (cell.radius * cell.radius));
      return Choose({0, 0.15f, depth, 0}, {0, 0.02f, 0.02f, 0.03f});
    };
    canvas_.Paint(cell.x, cell.y, cell.radius + 1, distance, ink);
  }

  void PaintLumen(const Disc& lumen) {
    const auto distance = [&](float u, float v) {
      return EllipseDistance(u, v, lumen.radius, lumen.radius * 0.85f, 0.08f, lumen.x) + 0.3f;
    };
    canvas_.Paint(lumen.x, lumen.y, lumen.radius + 2, distance, [](float, float, const Ink&) { return Ink{}; });
  }

  // The cytoplasm of the types that show theirs.
  void PaintBody(const Nucleus& nucleus) {
    const float c = std::cos(nucleus.angle), s = std::sin(nucleus.angle);
    if (nucleus.type == kPlasmaCell) {
      const auto distance = [&](float u, float v) {
        return EllipseDistance(u * c + v * s, v * c - u * s, 5.6f, 4.2f, 0.04f, nucleus.x);
      };
      // Basophilic, but for the pale court beside the nucleus.
      const auto ink = [&](float u, float v, const Ink&) {
        const float court = std::clamp(1.2f - std::hypot(u - 0.6f * c, v - 0.6f * s) / 2.2f, 0.0f, 1.0f);
        return Choose({0.46f * (1 - 0.75f * court), 0.5f - 0.2f * court, 0, 0}, {0, 0, 0.75f, 0.1f});
      };
      canvas_.Paint(nucleus.x + 2.3f * c, nucleus.y + 2.3f * s, 7.5f, distance, ink);
    } else if (nucleus.type == kMacrophage) {
      const float radius = 8.3f + 1.8f * SmoothNoise(nucleus.seed, 0.5f, 0.5f);
      const auto distance = [&](float u, float v) {
        return EllipseDistance(u, v, radius, radius * 0.86f, 0.11f, nucleus.x);
      };
      const auto ink = [&](float u, float v, const Ink&) {
        const float wall = std::clamp(CellNoise(nucleus.seed, u / 3.1f, v / 3.1f) * 2.3f - 0.75f, 0.0f, 1.0f);
        const float rim = std::clamp(std::hypot(u, v) - radius * 0.88f + 1.5f, 0.0f, 1.0f);
        const float body = std::max(wall, 0.8f * rim);
        return Choose({0.01f + 0.13f * body, 0.06f + 0.6f * body, 0, 0}, {0, 0, 0.25f + 0.6f * body, 0.4f * body});
      };
      canvas_.Paint(nucleus.x + 2.6f * c, nucleus.y + 2.6f * s, radius + 2, distance, ink);
    } else if (nucleus.type == kTumour) {
      // Neighbouring cells show a faint border.
      const float radius = 1.45f * std::sqrt(nucleus.a * nucleus.b);
      const auto distance = [&](float u, float v) { return std::abs(std::hypot(u, v) - radius) - 0.35f; };
      const Ink edge = Choose({0.22f, 0.72f, 0, 0}, {0, 0.95f, 0, 0.03f});
      canvas_.Paint(nucleus.x, nucleus.y, radius + 1, distance, [&](float, float, const Ink& below) {
        Ink ink = below;
        for (size_t k = 0; k < ink.size(); ++k) ink[k] = 0.5f * (below[k] + edge[k]);
        return ink;
      });
    }
  }

  void PaintDust(const Disc& speck) {
    const auto distance = [&](float u, float v) { return std::hypot(u, v) - speck.radius; };
    const Ink ink = Choose({1.1f, 0.5f, 0, 0}, {0.55f, 0.05f, 0.05f, 0.05f});
    canvas_.Paint(speck.x, speck.y, speck.radius + 1, distance, [&](float, float, const Ink&) { return ink; });
  }

  void PaintNucleus(const Nucleus& nucleus) {
    const float c = std::cos(nucleus.angle), s = std::sin(nucleus.angle);
    const float a = nucleus.mitosis ? 0.95f * nucleus.a : nucleus.a,
                b = nucleus.mitosis ? 0.36f * nucleus.b : nucleus.b;
    const float wobble = nucleus.mitosis ? 0.2f : nucleus.wobble;
    const auto phase = static_cast<float>(nucleus.seed % 628) / 100;
    const auto distance = [&](float u, float v) {
      return EllipseDistance(u * c + v * s, v * c - u * s, a, b, wobble, phase);
    };
    const auto ink = [&](float u, float v, const Ink& below) {
      const float p = u * c + v * s, q = v * c - u * s;
      const float amount = nucleus.tone * (nucleus.mitosis ? 1.6f : Chromatin(nucleus, p, q));
      return Choose({amount, 0.35f + 0.3f * below[1], 0.3f * below[2], 0},
                    {0.62f * amount, 0.3f * below[1], 0.3f * below[2], 0.3f * below[3]});
    };
    canvas_.Paint(nucleus.x, nucleus.y, std::max(a, b) * 1.3f + 1 + nucleus.softness, distance, ink, nucleus.softness);
  }

  // Amount at (p, q) along the nucleus' axes.
  static float Chromatin(const Nucleus& nucleus, float p, float q) {
    const float ring = std::hypot(p / nucleus.a, q / nucleus.b);
    const float clumps = SmoothNoise(nucleus.seed, p / 1.3f, q / 1.3f);
    switch (nucleus.type) {
      case kTumour: {
        // Vesicular: dark membrane, pale inside, one or two nucleoli.
        float amount = 0.62f + 0.42f * std::clamp((ring - 0.68f) * 4, 0.0f, 1.0f) + 0.17f * clumps;
        const float at = 0.45f * nucleus.a * SmoothNoise(nucleus.seed + 3, 0.4f, 0.6f);
        amount += 0.75f * std::clamp(1.7f - std::hypot(p - at, q) / 0.8f, 0.0f, 1.0f);
        if (nucleus.seed % 3 == 0)
          amount += 0.6f * std::clamp(1.5f - std::hypot(p + 0.5f * nucleus.a, q - 0.8f) / 0.8f, 0.0f, 1.0f);
        return amount;
      }
      case kLymphocyte:
        return 1.1f + 0.26f * clumps;
      case kPlasmaCell: {
        const float clock = 0.5f + 0.5f * std::cos(6 * std::atan2(q, p));
        return 0.72f + std::clamp((ring - 0.35f) * 2.5f, 0.0f, 1.0f) * (0.85f * clock - 0.1f);
      }
      case kMacrophage:
        return 0.66f + 0.3f * std::clamp((ring - 0.7f) * 4, 0.0f, 1.0f) + 0.12f * clumps;
      case kNecrosis:
        return 1.05f + 0.25f * clumps;
      default:
        return 0.92f + 0.18f * clumps;
    }
  }

  const Layout& layout_;
  bool glow_;
  Canvas canvas_;
};

}  // namespace

Canvas PaintLayout(const Layout& layout, int64_t px, bool fluorescence) {
  return Painter(layout, px, fluorescence).Paint();
}

}  // namespace genvinci::internal
