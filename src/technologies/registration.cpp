#include "registration.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "genvinci/core/error.h"

namespace genvinci {
namespace {

constexpr int64_t kThumbnailSide = 1600;
constexpr double kLegendText = 22;

using Colour = std::array<uint8_t, 3>;

Colour ColourOf(Split split) {
  switch (split) {
    case Split::kTrain:
      return {0, 170, 70};
    case Split::kVal:
      return {240, 140, 0};
    case Split::kTest:
      return {230, 0, 60};
  }
  throw InternalError("BUG", "split {}", static_cast<int>(split));
}

void Dot(Image& image, int64_t x, int64_t y, const Colour& colour) {
  if (x < 0 || y < 0 || x >= image.width || y >= image.height) return;
  std::copy(colour.begin(), colour.end(), image.At(x, y));
}

void FillBox(Image& image, int64_t left, int64_t top, int64_t width, int64_t height, const Colour& colour) {
  for (int64_t y = top; y < top + height; ++y)
    for (int64_t x = left; x < left + width; ++x) Dot(image, x, y, colour);
}

void OutlineBox(Image& image, int64_t left, int64_t top, int64_t side, const Colour& colour) {
  const int64_t line = side > 8 ? 2 : 1;
  FillBox(image, left, top, side, line, colour);
  FillBox(image, left, top + side - line, side, line, colour);
  FillBox(image, left, top, line, side, colour);
  FillBox(image, left + side - line, top, line, side, colour);
}

Image AsRgb(const Image& image) {
  if (image.channels == 3) return image;
  Image rgb(image.width, image.height, 3);
  for (int64_t y = 0; y < image.height; ++y)
    for (int64_t x = 0; x < image.width; ++x) std::fill_n(rgb.At(x, y), 3, *image.At(x, y));
  return rgb;
}

void DrawLegend(Image& image, const std::string& section, const std::array<int64_t, 3>& counts) {
  const auto line = static_cast<int64_t>(kLegendText * 1.5);
  FillBox(image, 0, 0, 300, 4 * line + 14, {255, 255, 255});
  DrawText(image, section, 10, 8, kLegendText, {0, 0, 0});
  for (int64_t k = 0; k < 3; ++k) {
    const int64_t top = 8 + (k + 1) * line;
    const auto split = static_cast<Split>(k);
    FillBox(image, 10, top, static_cast<int64_t>(kLegendText), static_cast<int64_t>(kLegendText), ColourOf(split));
    DrawText(image, fmt::format("{}: {}", Name(split), counts[static_cast<size_t>(k)]), 44, top, kLegendText,
             {0, 0, 0});
  }
}

}  // namespace

Image DrawRegistration(ImageSource& section, const SourceData& data, const PatchPlan& plan, const KeptRows& kept,
                       size_t section_index) {
  const int64_t longer = std::max(section.info().width, section.info().height);
  const double scale = std::min(1.0, static_cast<double>(kThumbnailSide) / static_cast<double>(longer));
  const auto scaled = [scale](double value) { return std::llround(value * scale); };
  Image thumbnail = AsRgb(StoredPixels(Thumbnail(section, kThumbnailSide), data, plan));
  std::array<int64_t, 3> counts{};
  const int64_t patch_side = plan.sides[section_index];
  const int64_t side = std::max<int64_t>(2, scaled(static_cast<double>(patch_side)));
  for (size_t k = 0; k < kept.rows.size(); ++k) {
    const int64_t i = kept.rows[k];
    if (data.observations[static_cast<size_t>(i)].section != section_index) continue;
    ++counts[static_cast<size_t>(kept.splits[k])];
    const Colour colour = ColourOf(kept.splits[k]);
    const Point centre = data.PixelCentre(i);
    OutlineBox(thumbnail, scaled(static_cast<double>(PatchStart(centre.x, patch_side))),
               scaled(static_cast<double>(PatchStart(centre.y, patch_side))), side, colour);
    FillBox(thumbnail, scaled(centre.x) - 2, scaled(centre.y) - 2, 5, 5, colour);
  }
  DrawLegend(thumbnail, data.sections[section_index].name, counts);
  return thumbnail;
}

}  // namespace genvinci
