#include "genvinci/generation/output_images.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "genvinci/core/error.h"

namespace genvinci {
namespace {

using Colour = std::array<int, 3>;

constexpr Colour kBlue = {0, 0, 255};
constexpr Colour kColours[] = {{0, 255, 0},   {255, 0, 0},   {0, 255, 255},  {255, 0, 255},
                               {255, 255, 0}, {255, 128, 0}, {255, 255, 255}};

bool IsDapi(std::string name) {
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
  return name.find("dapi") != std::string::npos;
}

std::vector<Colour> ColoursOf(const std::vector<std::string>& channels) {
  std::vector<Colour> colours;
  size_t next = 0;
  for (const std::string& channel : channels) {
    colours.push_back(IsDapi(channel) ? kBlue : kColours[next++ % std::size(kColours)]);
  }
  return colours;
}

bool FitsPng(int64_t channels) { return channels == 1 || channels == 3; }

}  // namespace

void WriteOutputImage(const fs::path& folder, const std::string& stem, const Image& image,
                      const std::vector<std::string>& channels, const PngText& text) {
  if (!FitsPng(image.channels)) WriteTiff(folder / (stem + ".tif"), image);
  WritePng(folder / (stem + ".png"), FitsPng(image.channels) ? image : DisplayImage(image, channels), text);
}

Image ReadOutputImage(const fs::path& folder, const std::string& stem, int64_t channels) {
  const fs::path path = folder / (stem + (FitsPng(channels) ? ".png" : ".tif"));
  Image image = ReadImage(path);
  if (image.channels != channels || image.bits != 8) {
    throw DataError("GENERATED_IMAGE", "{}: {} channels of {} bits, generation.json says {} of 8: generate again",
                    path.string(), image.channels, image.bits, channels);
  }
  return image;
}

Image DisplayImage(const Image& image, const std::vector<std::string>& channels) {
  GENVINCI_CHECK(image.bits == 8 && image.channels == static_cast<int64_t>(channels.size()), "{} channels, {} names",
                 image.channels, channels.size());
  if (image.channels == 3) return image;
  const std::vector<Colour> colours = image.channels == 1 ? std::vector<Colour>{kColours[6]} : ColoursOf(channels);
  Image shown(image.width, image.height, 3);
  for (int64_t pixel = 0; pixel < image.width * image.height; ++pixel) {
    Colour sum = {0, 0, 0};
    for (int64_t c = 0; c < image.channels; ++c) {
      const int value = image.bytes[pixel * image.channels + c];
      for (int k = 0; k < 3; ++k) sum[k] += value * colours[c][k];
    }
    for (int k = 0; k < 3; ++k) shown.bytes[pixel * 3 + k] = static_cast<uint8_t>(std::min(255, sum[k] / 255));
  }
  return shown;
}

}  // namespace genvinci
