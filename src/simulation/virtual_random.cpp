#include "virtual_random.h"

#include <math.h>

namespace genvinci::internal {
namespace {

// Hörmann 1993, algorithm PTRS, for means of 10 and more.
int64_t LargePoisson(VirtualRandom& random, double mean) {
  const double b = 0.931 + 2.53 * std::sqrt(mean), a = -0.059 + 0.02483 * b;
  const double inverse_alpha = 1.1239 + 1.1328 / (b - 3.4), v_r = 0.9277 - 3.6224 / (b - 2);
  while (true) {
    const double u = random.Uniform() - 0.5, v = random.Uniform();
    const double us = 0.5 - std::abs(u);
    const double k = std::floor((2 * a / us + b) * u + mean + 0.43);
    if (us >= 0.07 && v <= v_r) return static_cast<int64_t>(k);
    if (k < 0 || (us < 0.013 && v > us)) continue;
    int sign;
    const double accept = -mean + k * std::log(mean) - lgamma_r(k + 1, &sign);
    if (std::log(v * inverse_alpha / (a / (us * us) + b)) <= accept) return static_cast<int64_t>(k);
  }
}

float Lattice(uint32_t seed, int32_t x, int32_t y) {
  uint32_t h = seed ^ static_cast<uint32_t>(x) * 0x8DA6B343u ^ static_cast<uint32_t>(y) * 0xD8163841u;
  h = (h ^ h >> 16) * 0x7FEB352Du;
  h = (h ^ h >> 15) * 0x846CA68Bu;
  return static_cast<float>((h ^ h >> 16) >> 8) * (2.0f / 16777216.0f) - 1.0f;
}

float Ease(float t) { return t * t * t * (t * (t * 6 - 15) + 10); }

}  // namespace

// Marsaglia and Tsang 2000.
double VirtualRandom::Gamma(double shape) {
  if (shape < 1) {
    const double u = 1 - Uniform();
    return Gamma(shape + 1) * std::pow(u, 1 / shape);
  }
  const double d = shape - 1.0 / 3, c = 1 / std::sqrt(9 * d);
  while (true) {
    const double x = Normal(), t = 1 + c * x;
    if (t <= 0) continue;
    const double v = t * t * t, u = 1 - Uniform();
    if (std::log(u) < 0.5 * x * x + d * (1 - v + std::log(v))) return d * v;
  }
}

int64_t VirtualRandom::Poisson(double mean) {
  if (mean >= 10) return LargePoisson(*this, mean);
  const double limit = std::exp(-mean);
  int64_t k = 0;
  for (double product = 1 - Uniform(); product > limit; product *= 1 - Uniform()) ++k;
  return k;
}

std::vector<double> VirtualRandom::Dirichlet(const std::vector<double>& alpha) {
  std::vector<double> shares;
  double sum = 0;
  for (const double a : alpha) sum += shares.emplace_back(Gamma(a));
  for (double& share : shares) share /= sum;
  return shares;
}

float SmoothNoise(uint32_t seed, float x, float y) {
  // std::floor is a call where the processor's baseline has no instruction for it.
  const int32_t ix = static_cast<int32_t>(x) - (x < static_cast<float>(static_cast<int32_t>(x)));
  const int32_t iy = static_cast<int32_t>(y) - (y < static_cast<float>(static_cast<int32_t>(y)));
  const auto fx = static_cast<float>(ix), fy = static_cast<float>(iy);
  const float u = Ease(x - fx), v = Ease(y - fy);
  const float a = Lattice(seed, ix, iy), b = Lattice(seed, ix + 1, iy);
  const float c = Lattice(seed, ix, iy + 1), d = Lattice(seed, ix + 1, iy + 1);
  return a + (b - a) * u + (c - a) * v + (a - b - c + d) * u * v;
}

float CloudNoise(uint32_t seed, float x, float y) {
  return 0.57f * SmoothNoise(seed, x, y) + 0.29f * SmoothNoise(seed + 1, 2.1f * x, 2.1f * y) +
         0.14f * SmoothNoise(seed + 2, 4.3f * x, 4.3f * y);
}

}  // namespace genvinci::internal
