#include <algorithm>
#include <cmath>

#include "virtual_layout.h"

namespace genvinci::internal {

Territory::Territory(const PatchCause& cause, VirtualRandom& random) {
  for (int64_t type = 0; type < kVirtualTypes; ++type) {
    if (cause.composition[type] <= 0) continue;
    types_.push_back(static_cast<VirtualType>(type));
    shares_.push_back(cause.composition[type]);
    seeds_.push_back(static_cast<uint32_t>(random.Next()));
  }
  offsets_.assign(types_.size(), 0.0f);
  FitOffsets(cause.field_um);
}

float Territory::Field(size_t i, float x, float y) const {
  constexpr float kScale = 26;  // um of a clump
  return CloudNoise(seeds_[i], x / kScale, y / kScale) + offsets_[i];
}

// Moves the offsets until the areas are as the shares.
void Territory::FitOffsets(float field_um) {
  constexpr int kGrid = 20, kPoints = kGrid * kGrid, kRounds = 24;
  std::vector<float> fields;
  for (int i = 0; i < kPoints && count() > 1; ++i) {
    const float x = (i % kGrid + 0.5f) * field_um / kGrid, y = (i / kGrid + 0.5f) * field_um / kGrid;
    for (size_t k = 0; k < count(); ++k) fields.push_back(Field(k, x, y));
  }
  for (int round = 0; round < kRounds && count() > 1; ++round) {
    std::vector<double> area(count());
    for (auto point = fields.begin(); point != fields.end(); point += count()) {
      size_t owner = 0;
      for (size_t k = 1; k < count(); ++k) owner = point[k] + offsets_[k] > point[owner] + offsets_[owner] ? k : owner;
      area[owner] += 1.0 / kPoints;
    }
    const double step = round < kRounds / 2 ? 0.8 : 0.35;
    for (size_t k = 0; k < count(); ++k) offsets_[k] += static_cast<float>(step * (shares_[k] - area[k]));
  }
}

void Territory::Weights(float x, float y, float* weights) const {
  constexpr float kSharpness = 22;
  float highest = -1e9f, sum = 0;
  for (size_t i = 0; i < count(); ++i) highest = std::max(highest, weights[i] = Field(i, x, y));
  for (size_t i = 0; i < count(); ++i) sum += weights[i] = std::exp(kSharpness * (weights[i] - highest));
  for (size_t i = 0; i < count(); ++i) weights[i] /= sum;
}

size_t Territory::Owner(float x, float y) const {
  size_t owner = 0;
  float highest = -1e9f;
  for (size_t i = 0; i < count(); ++i) {
    const float value = Field(i, x, y);
    if (value > highest) highest = value, owner = i;
  }
  return owner;
}

}  // namespace genvinci::internal
