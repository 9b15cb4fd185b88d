#include "genvinci/io/channel_image.h"

#include <cstring>

#include "testing/test_folder.h"

namespace genvinci {
namespace channel_image_test {

// Values tell file, channel and place.
Image Ramp(int64_t width, int64_t height, int64_t channels, int bits, int64_t start) {
  Image image(width, height, channels, bits);
  for (int64_t y = 0; y < height; ++y)
    for (int64_t x = 0; x < width; ++x)
      for (int64_t c = 0; c < channels; ++c) {
        const int64_t value = start + 40 * c + y * width + x;
        if (bits == 8) {
          image.At(x, y)[c] = static_cast<uint8_t>(value);
        } else {
          const auto wide = static_cast<uint16_t>(300 * value);
          std::memcpy(image.At(x, y) + 2 * c, &wide, 2);
        }
      }
  return image;
}

TEST(ChannelImage, TakesChannelsOfFilesInTheirOrder) {
  const TestFolder folder;
  for (const int bits : {8, 16}) {
    const fs::path one = folder / "one.tif", three = folder / "three.tif";
    WriteTiff(one, Ramp(6, 5, 1, bits, 100));
    WriteTiff(three, Ramp(6, 5, 3, bits, 0));
    const auto source = OpenChannels({{three, 2}, {one, 0}, {three, 0}, {one, 0}});
    EXPECT_EQ(source->info().channels, 4);
    EXPECT_EQ(source->info().bits, bits);
    const Image region = source->Region({2, 1, 3, 4});
    for (int64_t y = 0; y < 4; ++y)
      for (int64_t x = 0; x < 3; ++x) {
        const int64_t place = (y + 1) * 6 + x + 2;
        const int64_t expected[] = {80 + place, 100 + place, place, 100 + place};
        for (int64_t c = 0; c < 4; ++c) {
          if (bits == 8) {
            EXPECT_EQ(region.At(x, y)[c], expected[c]);
          } else {
            uint16_t value = 0;
            std::memcpy(&value, region.At(x, y) + 2 * c, 2);
            EXPECT_EQ(value, 300 * expected[c]);
          }
        }
      }
  }
}

TEST(ChannelImage, RefusesWhatDoesNotFitTogether) {
  const TestFolder folder;
  WriteTiff(folder / "a.tif", Ramp(6, 5, 1, 8, 0));
  WriteTiff(folder / "wide.tif", Ramp(7, 5, 1, 8, 0));
  WriteTiff(folder / "deep.tif", Ramp(6, 5, 1, 16, 0));
  const auto name = [&](const std::string& file, int64_t channel) {
    return Catch([&] { OpenChannels({{folder / "a.tif", 0}, {folder / file, channel}}); }).name;
  };
  EXPECT_EQ(name("a.tif", 0), "");
  EXPECT_EQ(name("a.tif", 1), "CHANNELS");
  EXPECT_EQ(name("wide.tif", 0), "IMAGE_CHANNELS");
  EXPECT_EQ(name("deep.tif", 0), "IMAGE_CHANNELS");
  EXPECT_EQ(name("none.tif", 0), "FILE_MISSING");
}

}  // namespace channel_image_test
}  // namespace genvinci
