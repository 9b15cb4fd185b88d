#pragma once

#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <vector>

// Random numbers whose every bit is ours (the standard library's distributions differ between implementations), from a
// key such as (seed, stream, spot).
namespace genvinci::internal {

inline uint64_t MixBits(uint64_t x) {
  x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9ULL;
  x = (x ^ x >> 27) * 0x94D049BB133111EBULL;
  return x ^ x >> 31;
}

// SplitMix64 (Steele, Lea and Flood 2014).
class VirtualRandom {
 public:
  VirtualRandom(std::initializer_list<uint64_t> key) {
    for (const uint64_t part : key) state_ = MixBits(state_ + kStep + MixBits(part + kStep));
  }

  uint64_t Next() { return MixBits(state_ += kStep); }
  double Uniform() { return static_cast<double>(Next() >> 11) * 0x1p-53; }
  double Uniform(double low, double high) { return low + (high - low) * Uniform(); }
  int64_t Below(int64_t n) { return static_cast<int64_t>(Uniform() * static_cast<double>(n)); }
  bool Chance(double probability) { return Uniform() < probability; }

  double Normal() { return std::sqrt(-2 * std::log(1 - Uniform())) * std::cos(2 * M_PI * Uniform()); }
  double LogNormal(double median, double sigma) { return median * std::exp(sigma * Normal()); }
  double Gamma(double shape);  // scale 1
  int64_t Poisson(double mean);
  std::vector<double> Dirichlet(const std::vector<double>& alpha);

 private:
  static constexpr uint64_t kStep = 0x9E3779B97F4A7C15ULL;
  uint64_t state_ = 0;
};

// Smooth noise in [-1, 1] with features of about one unit.
float SmoothNoise(uint32_t seed, float x, float y);
// Three octaves of it.
float CloudNoise(uint32_t seed, float x, float y);

}  // namespace genvinci::internal
