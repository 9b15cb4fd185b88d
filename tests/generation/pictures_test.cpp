#include <gtest/gtest.h>

#include "core/temp_folder.h"
#include "genvinci/generation/output_images.h"
#include "genvinci/generation/picture_grid.h"

namespace genvinci {
namespace pictures_test {

std::array<int, 3> PixelOf(const Image& image, int64_t x, int64_t y) {
  return {image.At(x, y)[0], image.At(x, y)[1], image.At(x, y)[2]};
}

Image Flat(int64_t side, std::vector<uint8_t> colour) {
  Image image(side, side, static_cast<int64_t>(colour.size()));
  for (size_t i = 0; i < image.bytes.size(); ++i) image.bytes[i] = colour[i % colour.size()];
  return image;
}

TEST(OutputImages, ThreeChannelsAreOnePng) {
  const TempFolder folder;
  const Image image = Flat(5, {1, 2, 3});
  WriteOutputImage(folder.path(), "0_1", image, {"red", "green", "blue"}, {{"synthetic", "true"}});
  EXPECT_EQ(folder.Count(), 1);
  EXPECT_EQ(ReadOutputImage(folder.path(), "0_1", 3).bytes, image.bytes);
  EXPECT_EQ(ReadPngText(folder / "0_1.png").front().second, "true");
}

TEST(OutputImages, OtherCountsKeepEveryChannelAndShowAComposite) {
  const TempFolder folder;
  const Image image = Flat(5, {10, 100, 0, 200, 7});
  const std::vector<std::string> channels = {"Actin", "DAPI", "CD3", "CD8", "CD68"};
  WriteOutputImage(folder.path(), "0_1", image, channels, {{"synthetic", "true"}});
  EXPECT_EQ(ReadOutputImage(folder.path(), "0_1", 5).bytes, image.bytes);
  // Actin green, DAPI blue, CD3 red, CD8 cyan, CD68 magenta; sums are cut at 255.
  const Image shown = ReadImage(folder / "0_1.png");
  EXPECT_EQ(PixelOf(shown, 2, 2), (std::array<int, 3>{7, 210, 255}));
}

TEST(OutputImages, GreyIsShownGrey) {
  EXPECT_EQ(PixelOf(DisplayImage(Flat(4, {77}), {"DAPI"}), 1, 1), (std::array<int, 3>{77, 77, 77}));
}

TEST(OutputImages, RefusesAnotherNumberOfChannels) {
  const TempFolder folder;
  WritePng(folder / "0_1.png", Flat(4, {9}));
  CatchError("GENERATED_IMAGE", [&] { ReadOutputImage(folder.path(), "0_1", 3); });
  CatchError("FILE_MISSING", [&] { ReadOutputImage(folder.path(), "0_2", 3); });
}

TEST(PictureGrid, PlacesEnlargedImagesOnWhite) {
  PictureGrid grid;
  grid.rows = {{Flat(64, {255, 0, 0}), Flat(64, {0, 255, 0})}, {Image(), Flat(64, {0, 0, 255})}};
  const Image page = DrawGrid(grid);
  // Border 14, gap 6, 64 px enlarged three times.
  EXPECT_EQ(page.width, 14 + 192 + 6 + 192 + 14);
  EXPECT_EQ(page.height, page.width);
  EXPECT_EQ(PixelOf(page, 2, 2), (std::array<int, 3>{255, 255, 255}));
  EXPECT_EQ(PixelOf(page, 100, 100), (std::array<int, 3>{255, 0, 0}));
  EXPECT_EQ(PixelOf(page, 300, 100), (std::array<int, 3>{0, 255, 0}));
  EXPECT_EQ(PixelOf(page, 100, 300), (std::array<int, 3>{255, 255, 255}));
  EXPECT_EQ(PixelOf(page, 300, 300), (std::array<int, 3>{0, 0, 255}));
}

TEST(PictureGrid, NamesTakeSpaceAndInk) {
  PictureGrid grid;
  grid.rows = {{Flat(64, {255, 0, 0})}};
  const int64_t bare_width = DrawGrid(grid).width, bare_height = DrawGrid(grid).height;
  grid.row_names = {"spot_1"};
  grid.column_names = {"a name that is much too long for sixty-four px, thrice"};
  const Image page = DrawGrid(grid);
  EXPECT_GT(page.width, bare_width);
  EXPECT_GT(page.height, bare_height);
  int64_t dark_left = 0, dark_above = 0;
  for (int64_t y = 0; y < page.height; ++y) {
    for (int64_t x = 0; x < page.width; ++x) {
      const bool dark = page.At(x, y)[0] < 128;
      if (dark && x < page.width - 210) ++dark_left;
      if (dark && y < page.height - 210) ++dark_above;
    }
  }
  EXPECT_GT(dark_left, 20);
  EXPECT_GT(dark_above, 20);
}

}  // namespace pictures_test
}  // namespace genvinci
