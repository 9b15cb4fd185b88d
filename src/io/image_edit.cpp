#include <algorithm>
#include <cmath>
#include <cstring>
#include <opencv2/imgproc.hpp>

#include "genvinci/core/error.h"
#include "genvinci/io/image.h"
#include "image_mat.h"

namespace genvinci {
namespace {

using internal::AsMat;

// One channel at a time: the library's area average takes four at most.
void ResizeInto(const Image& image, Image& out, int interpolation) {
  if (image.channels <= 4) {
    cv::Mat to = AsMat(out);
    cv::resize(AsMat(image), to, to.size(), 0, 0, interpolation);
    return;
  }
  cv::Mat all = AsMat(out), from, to;
  for (int channel = 0; channel < image.channels; ++channel) {
    cv::extractChannel(AsMat(image), from, channel);
    cv::resize(from, to, all.size(), 0, 0, interpolation);
    cv::insertChannel(to, all, channel);
  }
}

cv::Scalar ColourFor(const Image& image, std::array<uint8_t, 3> rgb) {
  const double scale = image.bits == 16 ? 257 : 1;
  if (image.channels == 1) return cv::Scalar(std::lround(0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2]) * scale);
  return cv::Scalar(rgb[0] * scale, rgb[1] * scale, rgb[2] * scale, 255 * scale);
}

void RequireDrawable(const Image& image) {
  GENVINCI_CHECK(image.channels <= 4, "drawing on {} channels, at most 4", image.channels);
}

}  // namespace

Image Crop(const Image& image, int64_t x, int64_t y, int64_t width, int64_t height) {
  GENVINCI_CHECK(
      x >= 0 && y >= 0 && width >= 0 && height >= 0 && width <= image.width - x && height <= image.height - y,
      "crop {} x {} at ({}, {}) of {} x {}", width, height, x, y, image.width, image.height);
  Image out(width, height, image.channels, image.bits);
  const size_t row = static_cast<size_t>(width * image.channels * (image.bits / 8));
  for (int64_t i = 0; i < height && row > 0; ++i) std::memcpy(out.At(0, i), image.At(x, y + i), row);
  return out;
}

Image Resize(const Image& image, int64_t width, int64_t height) {
  GENVINCI_CHECK(image.width > 0 && image.height > 0 && width > 0 && height > 0, "resize {} x {} to {} x {}",
                 image.width, image.height, width, height);
  if (width == image.width && height == image.height) return image;
  const bool narrower = width < image.width, lower = height < image.height;
  // The area average would interpolate linearly along a side that grows, so shrink first.
  if (narrower && height > image.height) return Resize(Resize(image, width, image.height), width, height);
  if (lower && width > image.width) return Resize(Resize(image, image.width, height), width, height);
  Image out(width, height, image.channels, image.bits);
  ResizeInto(image, out, narrower || lower ? cv::INTER_AREA : cv::INTER_CUBIC);
  return out;
}

void DrawCircle(Image& image, double x, double y, double radius, std::array<uint8_t, 3> rgb, int thickness) {
  RequireDrawable(image);
  constexpr int kFractionBits = 4;
  const auto fixed = [](double value) { return static_cast<int>(std::lround(value * (1 << kFractionBits))); };
  cv::Mat mat = AsMat(image);
  cv::circle(mat, {fixed(x), fixed(y)}, fixed(radius), ColourFor(image, rgb), thickness, cv::LINE_AA, kFractionBits);
}

void DrawText(Image& image, const std::string& text, int64_t x, int64_t y, double size, std::array<uint8_t, 3> rgb) {
  RequireDrawable(image);
  constexpr int kFont = cv::FONT_HERSHEY_SIMPLEX;
  constexpr double kCapitalHeight = 21;  // px at scale 1
  const double scale = size / kCapitalHeight;
  const int thickness = std::max(1, static_cast<int>(std::lround(size / 12)));
  cv::Mat mat = AsMat(image);
  const cv::Point baseline(static_cast<int>(x), static_cast<int>(y + std::lround(size)));
  cv::putText(mat, text, baseline, kFont, scale, ColourFor(image, rgb), thickness, cv::LINE_AA);
}

void Paste(Image& image, const Image& part, int64_t x, int64_t y) {
  GENVINCI_CHECK(part.channels == image.channels && part.bits == image.bits, "paste {} channels of {} bits on {} of {}",
                 part.channels, part.bits, image.channels, image.bits);
  GENVINCI_CHECK(x >= 0 && y >= 0 && part.width <= image.width - x && part.height <= image.height - y,
                 "paste {} x {} at ({}, {}) on {} x {}", part.width, part.height, x, y, image.width, image.height);
  const size_t row = static_cast<size_t>(part.width * part.channels * (part.bits / 8));
  for (int64_t i = 0; i < part.height && row > 0; ++i) std::memcpy(image.At(x, y + i), part.At(0, i), row);
}

Image ToEightBits(const Image& image, const std::vector<ValueRange>& ranges) {
  GENVINCI_CHECK(image.bits == 16 && ranges.size() == static_cast<size_t>(image.channels),
                 "{} channels of {} bits, {} ranges", image.channels, image.bits, ranges.size());
  Image result(image.width, image.height, image.channels);
  for (size_t i = 0; i < result.bytes.size(); ++i) {
    uint16_t value = 0;
    std::memcpy(&value, image.bytes.data() + 2 * i, sizeof(value));
    const ValueRange& range = ranges[i % ranges.size()];
    const double scaled = (value - range.low) * 255 / (range.high - range.low);
    result.bytes[i] = static_cast<uint8_t>(std::lround(std::clamp(scaled, 0.0, 255.0)));
  }
  return result;
}

Image DropAlpha(const Image& image) {
  GENVINCI_CHECK(image.channels == 4, "{} channels", image.channels);
  Image result(image.width, image.height, 3, image.bits);
  const auto value = static_cast<size_t>(image.bits / 8);
  for (size_t from = 0, to = 0; from < image.bytes.size(); from += 4 * value, to += 3 * value)
    std::memcpy(result.bytes.data() + to, image.bytes.data() + from, 3 * value);
  return result;
}

}  // namespace genvinci
