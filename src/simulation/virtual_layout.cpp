#include "virtual_layout.h"

#include <algorithm>
#include <cmath>

namespace genvinci::internal {
namespace {

constexpr float kTwoPi = 6.2831853f;

// Nuclei of a type: number an area, size, shape.
struct NucleusKind {
  float per_1000_um2;
  float radius, radius_sigma;  // um; sigma of its log
  float aspect;
  float wobble;
  float spacing;  // least distance of two, in mean radii
};

constexpr std::array<NucleusKind, kVirtualTypes> kKinds = {{
    {8.6f, 4.3f, 0.20f, 1.30f, 0.10f, 1.42f},   // tumour: large, uneven, crowded
    {14.0f, 2.9f, 0.11f, 1.10f, 0.04f, 1.85f},  // lymphocyte: small, round, dense
    {5.0f, 3.0f, 0.20f, 5.2f, 0.05f, 1.8f},     // fibroblast: spindle
    {2.2f, 2.5f, 0.10f, 3.4f, 0.02f, 2.0f},     // adipocyte: pressed against the rim
    {2.0f, 2.6f, 0.15f, 3.0f, 0.04f, 2.0f},     // endothelium: those beside the vessels
    {7.4f, 2.8f, 0.09f, 1.10f, 0.03f, 2.75f},   // plasma cell: eccentric in a wide body
    {3.0f, 2.3f, 0.30f, 1.40f, 0.20f, 1.8f},    // necrosis: shrunken
    {4.8f, 2.8f, 0.12f, 1.45f, 0.10f, 4.4f},    // macrophage: foamy bodies between
}};

bool FollowsFibres(VirtualType type) { return type == kFibroblast || type == kEndothelium; }

int64_t RoundRandomly(double value, VirtualRandom& random) { return static_cast<int64_t>(value + random.Uniform()); }

}  // namespace

Layout::Layout(const PatchCause& cause)
    : field_um(cause.field_um), proliferation(static_cast<float>(cause.proliferation)) {
  VirtualRandom random{cause.seed, 1};
  seed = static_cast<uint32_t>(random.Next());
  territory = Territory(cause, random);
  fibre_angle = static_cast<float>(random.Uniform(0, kTwoPi));
  fibre_wave = static_cast<float>(random.Uniform(2, 7));
  gap_level = random.Chance(0.25) ? 2.0f : static_cast<float>(random.Uniform(0.12, 0.6));
  edge_angle = static_cast<float>(random.Uniform(0, kTwoPi));
  edge_offset = random.Chance(0.07) ? static_cast<float>(random.Uniform(0.15, 0.45)) * field_um : 2 * field_um;
  PlaceVacuoles(random);
  PlaceSpiltCells(random);
  for (size_t i = 0; i < territory.count(); ++i) {
    if (territory.type(i) == kEndothelium) PlaceVessels(territory.share(i), i, random);
    if (territory.type(i) == kTumour) PlaceLumens(territory.share(i), i, random);
  }
  for (size_t i = 0; i < territory.count(); ++i) {
    territory.type(i) == kAdipocyte ? PlaceRimNuclei(i, random) : PlaceNuclei(i, random);
    if (territory.type(i) == kNecrosis) PlaceDust(i, random);
  }
}

std::array<float, 2> Layout::FibreCoordinates(float x, float y) const {
  const float c = std::cos(fibre_angle), s = std::sin(fibre_angle);
  const float along = x * c + y * s, across = y * c - x * s;
  return {along, across + fibre_wave * SmoothNoise(seed + 11, along / 22, across / 40)};
}

float Layout::FibreAngle(float x, float y) const {
  constexpr float kStep = 1;
  const float c = std::cos(fibre_angle), s = std::sin(fibre_angle);
  const float ahead = FibreCoordinates(x + kStep * c, y + kStep * s)[1],
              behind = FibreCoordinates(x - kStep * c, y - kStep * s)[1];
  return fibre_angle - std::atan((ahead - behind) / (2 * kStep));
}

float Layout::GapAt(float x, float y, const std::array<float, 2>& fibre) const {
  const float middle = field_um / 2;
  const float edge = (x - middle) * std::cos(edge_angle) + (y - middle) * std::sin(edge_angle) - edge_offset +
                     2.5f * SmoothNoise(seed + 21, x / 9, y / 9);
  float cleft = 0;
  if (gap_level < 1) {
    const auto [along, across] = fibre;
    cleft = (CloudNoise(seed + 31, along / 26, across / 13) - gap_level) * 9;
  }
  return std::clamp(std::max(edge, cleft), 0.0f, 1.0f);
}

std::array<float, 2> Layout::VacuoleDistance(float x, float y) const {
  float first = 1e9f, second = 1e9f;
  for (const Disc& disc : vacuoles) {
    const float distance = std::hypot(x - disc.x, y - disc.y) - disc.radius;
    if (distance < first) {
      second = first;
      first = distance;
    } else {
      second = std::min(second, distance);
    }
  }
  return {first, second - first};
}

bool Layout::IsVoid(float x, float y) const {
  if (Gap(x, y) > 0.4f || (!vacuoles.empty() && VacuoleDistance(x, y)[0] < 0)) return true;
  const auto in_disc = [&](const Disc& disc) { return std::hypot(x - disc.x, y - disc.y) < disc.radius; };
  const auto in_vessel = [&](const Vessel& vessel) { return std::hypot(x - vessel.x, y - vessel.y) < vessel.a + 2; };
  return std::any_of(lumens.begin(), lumens.end(), in_disc) || std::any_of(vessels.begin(), vessels.end(), in_vessel);
}

// A jittered hexagonal packing; the vacuoles whose centre is the adipocytes' remain, whole.
void Layout::PlaceVacuoles(VirtualRandom& random) {
  const float pitch = static_cast<float>(random.Uniform(17, 27)), row = pitch * 0.866f;
  for (int iy = -1; iy * row < field_um + pitch; ++iy) {
    for (int ix = -1; ix * pitch < field_um + pitch; ++ix) {
      Disc disc;
      disc.x = (ix + (iy & 1) * 0.5f) * pitch + static_cast<float>(random.Uniform(-0.2, 0.2)) * pitch;
      disc.y = iy * row + static_cast<float>(random.Uniform(-0.2, 0.2)) * pitch;
      disc.radius = pitch * static_cast<float>(random.Uniform(0.44, 0.66));
      const size_t owner = territory.Owner(std::clamp(disc.x, 0.0f, field_um), std::clamp(disc.y, 0.0f, field_um));
      if (territory.type(owner) == kAdipocyte) vacuoles.push_back(disc);
    }
  }
}

void Layout::PlaceVessels(double share, size_t owner, VirtualRandom& random) {
  constexpr double kAreaOfOne = 520;  // um^2
  const int64_t count = RoundRandomly(share * field_um * field_um / kAreaOfOne, random);
  for (int64_t i = 0; i < count; ++i) {
    Vessel vessel;
    vessel.b = static_cast<float>(random.LogNormal(4.2, 0.25));
    vessel.a = vessel.b * static_cast<float>(random.Uniform(1.1, 2.3));
    vessel.angle = fibre_angle + static_cast<float>(random.Uniform(-0.7, 0.7));
    vessel.blood = random.Chance(0.55);
    if (!FindPlace(owner, vessel.a + 2, random, vessel.x, vessel.y)) continue;
    vessels.push_back(vessel);
    if (vessel.blood) PlaceRedCells(vessel, random);
    const auto lining = static_cast<int>(kTwoPi * 0.5f * (vessel.a + vessel.b) / 9);
    const double start = random.Uniform(0, kTwoPi);
    for (int k = 0; k < lining; ++k) {
      const auto turn = static_cast<float>(start + (k + random.Uniform(-0.2, 0.2)) * kTwoPi / lining);
      const float u = (vessel.a + 1.1f) * std::cos(turn), v = (vessel.b + 1.1f) * std::sin(turn);
      Nucleus nucleus;
      nucleus.type = kEndothelium;
      nucleus.x = vessel.x + u * std::cos(vessel.angle) - v * std::sin(vessel.angle);
      nucleus.y = vessel.y + u * std::sin(vessel.angle) + v * std::cos(vessel.angle);
      nucleus.angle =
          vessel.angle + std::atan2((vessel.b + 1.1f) * std::cos(turn), -(vessel.a + 1.1f) * std::sin(turn));
      nucleus.a = static_cast<float>(random.LogNormal(3.4, 0.15));
      nucleus.b = static_cast<float>(random.LogNormal(1.35, 0.1));
      nucleus.seed = static_cast<uint32_t>(random.Next());
      nuclei.push_back(nucleus);
    }
  }
}

void Layout::PlaceRedCells(const Vessel& vessel, VirtualRandom& random) {
  const auto first = static_cast<std::ptrdiff_t>(red_cells.size());
  for (int i = 0; i < 40; ++i) {
    const double turn = random.Uniform(0, kTwoPi), reach = std::sqrt(random.Uniform());
    const auto u = static_cast<float>((vessel.a - 2.2f) * reach * std::cos(turn));
    const auto v = static_cast<float>((vessel.b - 2.2f) * reach * std::sin(turn));
    const Disc cell{vessel.x + u * std::cos(vessel.angle) - v * std::sin(vessel.angle),
                    vessel.y + u * std::sin(vessel.angle) + v * std::cos(vessel.angle),
                    static_cast<float>(random.Uniform(2.3, 2.9))};
    const auto touches = [&](const Disc& other) { return std::hypot(cell.x - other.x, cell.y - other.y) < 4; };
    if (std::none_of(red_cells.begin() + first, red_cells.end(), touches)) red_cells.push_back(cell);
  }
}

// Red cells outside vessels, as cutting and bleeding leave them in any tissue.
void Layout::PlaceSpiltCells(VirtualRandom& random) {
  if (!random.Chance(0.4)) return;
  const int64_t count = random.Below(16);
  const Disc middle{static_cast<float>(random.Uniform(0, field_um)), static_cast<float>(random.Uniform(0, field_um)),
                    12};
  for (int64_t i = 0; i < count; ++i) {
    const Disc cell{middle.x + middle.radius * static_cast<float>(random.Normal()),
                    middle.y + middle.radius * static_cast<float>(random.Normal()),
                    static_cast<float>(random.Uniform(2.3, 2.9))};
    if (!IsVoid(cell.x, cell.y)) red_cells.push_back(cell);
  }
}

void Layout::PlaceLumens(double share, size_t owner, VirtualRandom& random) {
  const int64_t count = RoundRandomly(share * 0.9 * random.Uniform(), random);
  for (int64_t i = 0; i < count; ++i) {
    Disc lumen;
    lumen.radius = static_cast<float>(random.Uniform(4, 8));
    if (FindPlace(owner, lumen.radius, random, lumen.x, lumen.y)) lumens.push_back(lumen);
  }
}

void Layout::PlaceNuclei(size_t owner, VirtualRandom& random) {
  const VirtualType type = territory.type(owner);
  const NucleusKind& kind = kKinds[type];
  const double growth = type == kTumour ? proliferation : 0;
  const double number = kind.per_1000_um2 * territory.share(owner) * field_um * field_um / 1000;
  const int64_t count = RoundRandomly(number * random.Uniform(0.85, 1.1), random);
  for (int64_t i = 0; i < count; ++i) {
    Nucleus nucleus;
    nucleus.type = type;
    const auto radius = static_cast<float>(random.LogNormal(kind.radius * (0.9 + 0.28 * growth), kind.radius_sigma));
    const float aspect = std::sqrt(1 + (kind.aspect - 1) * static_cast<float>(random.Uniform(0.6, 1.25)));
    nucleus.a = radius * aspect;
    nucleus.b = radius / aspect;
    const float spacing = kind.spacing * radius / 2 * (type == kTumour ? 0.95f + 0.1f * aspect : 1.0f);
    if (!FindPlace(owner, spacing, random, nucleus.x, nucleus.y)) continue;
    nucleus.angle = FollowsFibres(type) ? FibreAngle(nucleus.x, nucleus.y) + static_cast<float>(0.16 * random.Normal())
                                        : static_cast<float>(random.Uniform(0, kTwoPi));
    nucleus.wobble = kind.wobble * static_cast<float>(random.Uniform(0.4, 1.4));
    nucleus.tone = static_cast<float>(random.LogNormal(0.95, 0.17));
    nucleus.softness = static_cast<float>(random.LogNormal(0.9, 0.5));
    nucleus.seed = static_cast<uint32_t>(random.Next());
    nucleus.mitosis = type == kTumour && random.Chance(0.12 * growth);
    nuclei.push_back(nucleus);
  }
}

// Flat against the rims between vacuoles.
void Layout::PlaceRimNuclei(size_t owner, VirtualRandom& random) {
  const NucleusKind& kind = kKinds[kAdipocyte];
  const int64_t count = RoundRandomly(kind.per_1000_um2 * territory.share(owner) * field_um * field_um / 1000, random);
  for (int64_t i = 0; i < count && !vacuoles.empty(); ++i) {
    const Disc& disc = vacuoles[random.Below(static_cast<int64_t>(vacuoles.size()))];
    const auto turn = static_cast<float>(random.Uniform(0, kTwoPi));
    Nucleus nucleus;
    nucleus.type = kAdipocyte;
    nucleus.b = static_cast<float>(random.LogNormal(1.3, 0.1));
    nucleus.a = static_cast<float>(random.LogNormal(4.2, 0.12));
    // Outwards until another vacuole is nearer.
    float reach = disc.radius * 0.6f;
    for (; reach < disc.radius; reach += 0.5f) {
      const float x = disc.x + reach * std::cos(turn), y = disc.y + reach * std::sin(turn);
      if (VacuoleDistance(x, y)[0] < reach - disc.radius - 0.5f) break;
    }
    nucleus.x = disc.x + reach * std::cos(turn);
    nucleus.y = disc.y + reach * std::sin(turn);
    if (std::min(nucleus.x, nucleus.y) < 0 || std::max(nucleus.x, nucleus.y) > field_um) continue;
    nucleus.angle = turn + kTwoPi / 4;
    nucleus.seed = static_cast<uint32_t>(random.Next());
    nuclei.push_back(nucleus);
  }
}

void Layout::PlaceDust(size_t owner, VirtualRandom& random) {
  constexpr double kPer1000Um2 = 26;
  const int64_t count = RoundRandomly(kPer1000Um2 * territory.share(owner) * field_um * field_um / 1000, random);
  for (int64_t i = 0; i < count; ++i) {
    Disc speck;
    speck.radius = static_cast<float>(random.LogNormal(0.65, 0.4));
    speck.x = static_cast<float>(random.Uniform(0, field_um));
    speck.y = static_cast<float>(random.Uniform(0, field_um));
    if (territory.Owner(speck.x, speck.y) == owner && !IsVoid(speck.x, speck.y)) dust.push_back(speck);
  }
}

// A free point of the owner's, `reach` away from what lies there already.
bool Layout::FindPlace(size_t owner, float reach, VirtualRandom& random, float& x, float& y) const {
  constexpr int kTries = 40;
  for (int i = 0; i < kTries; ++i) {
    x = static_cast<float>(random.Uniform(0, field_um));
    y = static_cast<float>(random.Uniform(0, field_um));
    const auto too_near = [&](const Nucleus& other) {
      const float own = kKinds[other.type].spacing * std::sqrt(other.a * other.b) / 2;
      return std::hypot(x - other.x, y - other.y) < own + reach;
    };
    if (std::any_of(nuclei.begin(), nuclei.end(), too_near)) continue;
    const auto crosses = [&](const Vessel& vessel) {
      return std::hypot(x - vessel.x, y - vessel.y) < vessel.a + reach + 2;
    };
    if (std::any_of(vessels.begin(), vessels.end(), crosses)) continue;
    if (territory.Owner(x, y) == owner && !IsVoid(x, y)) return true;
  }
  return false;
}

}  // namespace genvinci::internal
