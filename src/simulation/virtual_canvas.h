#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

namespace genvinci::internal {

// Amounts a pixel holds. H&E: haematoxylin, eosin, red cells. Fluorescence: DAPI, keratin, CD45, vimentin.
using Ink = std::array<float, 4>;

// A square field in um, drawn with coverage at the borders of shapes.
class Canvas {
 public:
  Canvas(int64_t px, float field_um)
      : px_(px), px_per_um_(static_cast<float>(px) / field_um), pixels_(static_cast<size_t>(px * px)) {}

  int64_t px() const { return px_; }
  float px_per_um() const { return px_per_um_; }
  std::vector<Ink>& pixels() { return pixels_; }
  const std::vector<Ink>& pixels() const { return pixels_; }

  // Sets every pixel to ink(x, y), in um at its centre.
  template <typename InkAt>
  void Fill(const InkAt& ink) {
    for (int64_t i = 0; i < px_ * px_; ++i) pixels_[i] = ink(Um(i % px_), Um(i / px_));
  }

  // Lays over what is there. distance(u, v): signed, in um, negative inside, at an offset from (x, y); nothing lies
  // farther than `reach`. ink(u, v, below): what to blend to. The border fades over `softness` um, a pixel at least.
  template <typename Distance, typename InkAt>
  void Paint(float x, float y, float reach, const Distance& distance, const InkAt& ink, float softness = 0) {
    const float slope = 1 / std::max(softness, 1 / px_per_um_);
    const int64_t left = First(x - reach), right = Last(x + reach), top = First(y - reach), bottom = Last(y + reach);
    for (int64_t row = top; row <= bottom; ++row) {
      for (int64_t column = left; column <= right; ++column) {
        const float u = Um(column) - x, v = Um(row) - y;
        const float cover = std::clamp(0.5f - distance(u, v) * slope, 0.0f, 1.0f);
        if (cover <= 0) continue;
        Ink& pixel = pixels_[row * px_ + column];
        const Ink over = ink(u, v, pixel);
        for (size_t k = 0; k < over.size(); ++k) pixel[k] += cover * (over[k] - pixel[k]);
      }
    }
  }

 private:
  float Um(int64_t pixel) const { return (static_cast<float>(pixel) + 0.5f) / px_per_um_; }
  int64_t First(float um) const { return std::max<int64_t>(0, static_cast<int64_t>(um * px_per_um_ - 1)); }
  int64_t Last(float um) const { return std::min<int64_t>(px_ - 1, static_cast<int64_t>(um * px_per_um_ + 1)); }

  int64_t px_;
  float px_per_um_;
  std::vector<Ink> pixels_;
};

}  // namespace genvinci::internal
