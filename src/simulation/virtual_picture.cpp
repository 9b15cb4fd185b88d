#include "virtual_picture.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "virtual_random.h"

namespace genvinci::internal {
namespace {

// Optical density of one unit of each stain in red, green and blue.
using StainColour = std::array<float, 3>;

struct Stains {
  std::array<StainColour, 3> density;  // haematoxylin, eosin, red cells
  StainColour glass;                   // light without tissue
  std::array<float, 2> amount;         // of haematoxylin and eosin that the patch is drawn towards, on average
  std::array<float, 2> contrast;       // of these: a power of the amount
};

Stains DrawStains(const PatchCause& cause) {
  VirtualRandom section{cause.section_seed, 2}, patch{cause.seed, 2};
  Stains stains{{{{1.55f, 1.32f, 0.58f}, {0.22f, 0.74f, 0.30f}, {0.2f, 1.15f, 0.72f}}}, {243, 229, 240}, {}, {}};
  for (StainColour& colour : stains.density) {
    for (float& density : colour)
      density *= static_cast<float>(std::exp(0.10 * section.Normal() + 0.11 * patch.Normal()));
  }
  for (float& light : stains.glass) light += static_cast<float>(3 * section.Normal() + 2 * patch.Normal());
  for (size_t stain = 0; stain < stains.amount.size(); ++stain) {
    stains.amount[stain] = static_cast<float>(0.315 * std::exp(0.16 * section.Normal() + 0.26 * patch.Normal()));
    stains.contrast[stain] = static_cast<float>(std::exp(0.08 + 0.25 * patch.Normal()));
  }
  return stains;
}

// Sections are cut and stained until they look right: the mean amount says little about the tissue. Both stains are
// drawn most of the way to a mean that is the same for all types.
void Expose(Canvas& canvas, const Stains& stains) {
  constexpr float kPull = 0.85f, kLeast = 0.45f, kMost = 1.9f;
  for (size_t stain = 0; stain < stains.amount.size(); ++stain) {
    double sum = 0;
    for (Ink& pixel : canvas.pixels()) sum += pixel[stain] = std::pow(pixel[stain], stains.contrast[stain]);
    const float mean = static_cast<float>(sum / static_cast<double>(canvas.pixels().size())) + 0.02f;
    const float gain = std::clamp(std::pow(stains.amount[stain] / mean, kPull), kLeast, kMost);
    for (Ink& pixel : canvas.pixels()) pixel[stain] *= gain;
  }
}

// Beer and Lambert.
void Transmit(Canvas& canvas, const Stains& stains) {
  for (Ink& pixel : canvas.pixels()) {
    Ink light{};
    for (size_t k = 0; k < 3; ++k) {
      float density = 0;
      for (size_t stain = 0; stain < 3; ++stain) density += pixel[stain] * stains.density[stain][k];
      light[k] = stains.glass[k] * std::exp(-density);
    }
    pixel = light;
  }
}

void BlurLines(std::vector<Ink>& pixels, int64_t px, bool rows, const std::vector<float>& kernel) {
  const auto reach = static_cast<int64_t>(kernel.size()) - 1;
  std::vector<Ink> line(static_cast<size_t>(px));
  for (int64_t i = 0; i < px; ++i) {
    const auto at = [&](int64_t j) -> Ink& { return rows ? pixels[i * px + j] : pixels[j * px + i]; };
    for (int64_t j = 0; j < px; ++j) line[j] = at(j);
    for (int64_t j = 0; j < px; ++j) {
      Ink sum{};
      for (int64_t d = -reach; d <= reach; ++d) {
        const Ink& source = line[std::clamp<int64_t>(j + d, 0, px - 1)];
        for (size_t k = 0; k < sum.size(); ++k) sum[k] += kernel[std::abs(d)] * source[k];
      }
      at(j) = sum;
    }
  }
}

void Blur(Canvas& canvas, float sigma_um) {
  const float sigma = sigma_um * canvas.px_per_um();
  std::vector<float> kernel;
  for (int i = 0; i <= std::ceil(2.5f * sigma); ++i) kernel.push_back(std::exp(-0.5f * i * i / (sigma * sigma)));
  const float sum = 2 * std::accumulate(kernel.begin(), kernel.end(), 0.0f) - kernel[0];
  for (float& weight : kernel) weight /= sum;
  BlurLines(canvas.pixels(), canvas.px(), /*rows=*/true, kernel);
  BlurLines(canvas.pixels(), canvas.px(), /*rows=*/false, kernel);
}

// With the sensor's noise: the sum of three uniform numbers of standard deviation `noise`.
Image Digitise(const Canvas& canvas, int64_t channels, float noise, VirtualRandom random) {
  Image image(canvas.px(), canvas.px(), channels);
  for (size_t i = 0; i < canvas.pixels().size(); ++i) {
    for (int64_t k = 0; k < channels; ++k) {
      const uint64_t bits = random.Next();
      const auto sum =
          static_cast<float>((bits & 0xFFFF) + (bits >> 16 & 0xFFFF) + (bits >> 32 & 0xFFFF)) / 65536 - 1.5f;
      const float value = canvas.pixels()[i][k] + 2 * noise * sum;
      image.bytes[i * channels + k] = static_cast<uint8_t>(std::clamp(std::lround(value), 0L, 255L));
    }
  }
  return image;
}

// Antibodies and lamp: each channel has its own gain a section and patch, and a floor.
void Fluoresce(Canvas& canvas, const PatchCause& cause) {
  VirtualRandom section{cause.section_seed, 4}, patch{cause.seed, 4};
  Ink gain, floor;
  for (size_t k = 0; k < gain.size(); ++k) {
    gain[k] = static_cast<float>(205 * std::exp(0.12 * section.Normal() + 0.12 * patch.Normal()));
    floor[k] = static_cast<float>(section.Uniform(4, 10));
  }
  for (Ink& pixel : canvas.pixels()) {
    for (size_t k = 0; k < pixel.size(); ++k) pixel[k] = floor[k] + gain[k] * pixel[k];
  }
}

}  // namespace

Image Photograph(Canvas canvas, const PatchCause& cause, const std::string& style) {
  VirtualRandom random{cause.seed, 3};
  const bool stained = style == "he";
  if (stained) {
    const Stains stains = DrawStains(cause);
    Expose(canvas, stains);
    Transmit(canvas, stains);
  } else {
    Fluoresce(canvas, cause);
  }
  Blur(canvas, static_cast<float>(random.Uniform(0.4, 0.75)));
  return Digitise(canvas, stained ? 3 : style == "dapi" ? 1 : 4, stained ? 1.6f : 2.2f, random);
}

}  // namespace genvinci::internal
