#include "genvinci/io/image_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <tiffio.h>

#include <algorithm>
#include <cstring>
#include <fstream>

#include "genvinci/core/error.h"
#include "testing/test_folder.h"

namespace genvinci {
namespace image_source_test {

using ::testing::HasSubstr;

struct Stored {
  int64_t width = 0, height = 0, channels = 3, bits = 8;
  int64_t tile = 0;  // side; 0: strips of 7 rows
  bool planes = false, reduced = false;
  int compression = COMPRESSION_ADOBE_DEFLATE;
};

// The value of a sample, from its place alone; no two places near one another are equal.
uint32_t Formula(int64_t x, int64_t y, int64_t channel, int64_t bits) {
  return static_cast<uint32_t>((x * 7 + y * 131 + channel * 59 + x * y) % (bits == 8 ? 251 : 65521));
}

std::vector<uint8_t> Samples(const Stored& stored, const PixelRect& rect, int64_t first_channel, int64_t channels) {
  std::vector<uint8_t> bytes;
  for (int64_t y = rect.y; y < rect.y + rect.height; ++y)
    for (int64_t x = rect.x; x < rect.x + rect.width; ++x)
      for (int64_t c = first_channel; c < first_channel + channels; ++c) {
        const uint32_t value = Formula(x, y, c, stored.bits);
        bytes.push_back(static_cast<uint8_t>(value & 255));
        if (stored.bits == 16) bytes.push_back(static_cast<uint8_t>(value >> 8));
      }
  return bytes;
}

void AddPage(TIFF* tiff, const Stored& stored, int64_t subdirectories = 0, int64_t page = 0) {
  TIFFSetField(tiff, TIFFTAG_IMAGEWIDTH, static_cast<uint32_t>(stored.width));
  TIFFSetField(tiff, TIFFTAG_IMAGELENGTH, static_cast<uint32_t>(stored.height));
  TIFFSetField(tiff, TIFFTAG_SAMPLESPERPIXEL, static_cast<int>(stored.channels));
  TIFFSetField(tiff, TIFFTAG_BITSPERSAMPLE, static_cast<int>(stored.bits));
  TIFFSetField(tiff, TIFFTAG_PHOTOMETRIC, stored.channels == 3 ? PHOTOMETRIC_RGB : PHOTOMETRIC_MINISBLACK);
  TIFFSetField(tiff, TIFFTAG_PLANARCONFIG, stored.planes ? PLANARCONFIG_SEPARATE : PLANARCONFIG_CONTIG);
  TIFFSetField(tiff, TIFFTAG_COMPRESSION, stored.compression);
  if (stored.reduced) TIFFSetField(tiff, TIFFTAG_SUBFILETYPE, FILETYPE_REDUCEDIMAGE);
  if (subdirectories > 0) {
    const std::vector<uint64_t> offsets(static_cast<size_t>(subdirectories), 0);
    TIFFSetField(tiff, TIFFTAG_SUBIFD, static_cast<int>(subdirectories), offsets.data());
  }
  const int64_t part_width = stored.tile > 0 ? stored.tile : stored.width,
                part_height = stored.tile > 0 ? stored.tile : 7;
  if (stored.tile > 0) {
    TIFFSetField(tiff, TIFFTAG_TILEWIDTH, static_cast<uint32_t>(stored.tile));
    TIFFSetField(tiff, TIFFTAG_TILELENGTH, static_cast<uint32_t>(stored.tile));
  } else {
    TIFFSetField(tiff, TIFFTAG_ROWSPERSTRIP, 7);
  }
  uint32_t index = 0;
  for (int64_t plane = 0; plane < (stored.planes ? stored.channels : 1); ++plane)
    for (int64_t y = 0; y < stored.height; y += part_height)
      for (int64_t x = 0; x < stored.width; x += part_width) {
        const int64_t rows = stored.tile > 0 ? part_height : std::min(part_height, stored.height - y);
        std::vector<uint8_t> part =
            Samples(stored, {x, y, part_width, rows}, page + plane, stored.planes ? 1 : stored.channels);
        const auto size = static_cast<tmsize_t>(part.size());
        const tmsize_t written = stored.tile > 0 ? TIFFWriteEncodedTile(tiff, index++, part.data(), size)
                                                 : TIFFWriteEncodedStrip(tiff, index++, part.data(), size);
        ASSERT_EQ(written, size);
      }
  ASSERT_TRUE(TIFFWriteDirectory(tiff));
}

class ImageSourceTest : public ::testing::Test {
 protected:
  TestFolder folder_;

  fs::path Save(const std::vector<Stored>& pages, const char* mode = "w", int64_t subdirectories = 0) const {
    const fs::path path = folder_ / "section.tif";
    TIFF* tiff = TIFFOpen(path.c_str(), mode);
    for (size_t p = 0; p < pages.size(); ++p)
      AddPage(tiff, pages[p], p == 0 ? subdirectories : 0, pages[p].reduced ? 0 : static_cast<int64_t>(p));
    TIFFClose(tiff);
    return path;
  }
};

void ExpectRegion(ImageSource& source, const Stored& stored, const PixelRect& rect, size_t level = 0) {
  const Image region = source.Region(rect, level);
  ASSERT_EQ(region.width, rect.width);
  ASSERT_EQ(region.height, rect.height);
  EXPECT_TRUE(region.bytes == Samples(stored, rect, 0, region.channels))
      << rect.width << " x " << rect.height << " at " << rect.x << ", " << rect.y << ", level " << level;
}

TEST_F(ImageSourceTest, RegionsCrossTilesStripsAndEdges) {
  for (const Stored& stored :
       {Stored{100, 70, 3, 8, 32}, Stored{100, 70, 3, 16, 16}, Stored{100, 70, 1, 16, 48}, Stored{100, 70, 3, 8, 0},
        Stored{100, 70, 1, 16, 0}, Stored{100, 70, 3, 8, 32, true}, Stored{100, 70, 3, 16, 0, true}}) {
    for (const char* mode : {"w", "wb", "w8"}) {  // either byte order, and BigTIFF
      const auto source = OpenImageSource(Save({stored}, mode));
      EXPECT_EQ(source->info().bits, stored.bits);
      for (const PixelRect& rect : {PixelRect{0, 0, 100, 70}, PixelRect{31, 31, 2, 2}, PixelRect{90, 60, 10, 10},
                                    PixelRect{5, 6, 40, 9}, PixelRect{99, 69, 1, 1}})
        ExpectRegion(*source, stored, rect);
      EXPECT_THROW(source->Region({91, 0, 10, 10}), InternalError);
    }
  }
}

TEST_F(ImageSourceTest, LevelsAreSubdirectoriesOrReducedPages) {
  const Stored full{128, 96, 3, 8, 32}, half{64, 48, 3, 8, 16, false, true}, quarter{32, 24, 3, 8, 16, false, true};
  for (const int64_t subdirectories : {0, 2}) {
    const auto source = OpenImageSource(Save({full, half, quarter}, "w", subdirectories));
    ASSERT_EQ(source->levels().size(), 3u) << subdirectories;
    EXPECT_EQ(source->levels()[1].width, 64);
    EXPECT_EQ(source->levels()[2].height, 24);
    ExpectRegion(*source, quarter, {3, 4, 29, 20}, 2);
    ExpectRegion(*source, half, {13, 14, 20, 20}, 1);
    ExpectRegion(*source, full, {13, 14, 80, 80}, 0);
    // A thumbnail of a level's size is that level.
    EXPECT_TRUE(Thumbnail(*source, 32).bytes == Samples(quarter, {0, 0, 32, 24}, 0, 3));
  }
}

TEST_F(ImageSourceTest, PagesAreChannels) {
  const Stored page{50, 40, 1, 16, 16};
  const auto source = OpenImageSource(Save({page, page, page, page, page}));
  EXPECT_EQ(source->info().channels, 5);
  ExpectRegion(*source, page, {10, 11, 30, 20});
}

TEST_F(ImageSourceTest, TheCapBoundsWhatIsDecodedAtATime) {
  const auto source = OpenImageSource(Save({{100, 70, 3, 8, 32}}), 1024);
  ExpectRegion(*source, {100, 70, 3, 8, 32}, {20, 20, 32, 32});
  try {
    source->Region({0, 0, 33, 32});
    FAIL();
  } catch (const DataError& error) {
    EXPECT_EQ(error.name(), "IMAGE_SIZE");
  }
}

TEST_F(ImageSourceTest, ADamagedTileIsAnErrorThatNamesIt) {
  const fs::path path = Save({{96, 96, 3, 8, 32}});
  TIFF* tiff = TIFFOpen(path.c_str(), "r");
  const uint64_t offset = TIFFGetStrileOffset(tiff, 4), length = TIFFGetStrileByteCount(tiff, 4);
  TIFFClose(tiff);
  {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(offset));
    file << std::string(length, '\x55');
  }
  const auto source = OpenImageSource(path);
  ExpectRegion(*source, {96, 96, 3, 8, 32}, {0, 0, 32, 32});
  try {
    source->Region({40, 40, 8, 8});
    FAIL();
  } catch (const DataError& error) {
    EXPECT_EQ(error.name(), "IMAGE_DECODE");
    EXPECT_THAT(error.what(), HasSubstr("section.tif"));
    EXPECT_THAT(error.what(), HasSubstr("tile at (32, 32)"));
  }
}

TEST_F(ImageSourceTest, OtherFormatsAreServedWholeAndUnderTheCap) {
  const Stored stored{40, 30, 3, 8};
  Image image(40, 30, 3);
  image.bytes = Samples(stored, {0, 0, 40, 30}, 0, 3);
  const fs::path path = folder_ / "section.png";
  WritePng(path, image);
  const auto source = OpenImageSource(path);
  ExpectRegion(*source, stored, {7, 8, 20, 22});
  EXPECT_THROW(OpenImageSource(path, 1000), DataError);
}

// Each pixel of the thumbnail is the mean of the square that it covers.
TEST_F(ImageSourceTest, AThumbnailOfAManyBandedImageHasTheMeans) {
  const Stored stored{3000, 2400, 1, 8, 256};
  const auto source = OpenImageSource(Save({stored}));
  const Image thumbnail = Thumbnail(*source, 300, /*whole_pixels=*/1000);
  ASSERT_EQ(thumbnail.width, 300);
  ASSERT_EQ(thumbnail.height, 240);
  for (const auto& [x, y] : {std::pair{0, 0}, {299, 239}, {150, 86}, {151, 87}, {3, 200}}) {
    double sum = 0;
    for (int64_t v = 0; v < 10; ++v)
      for (int64_t u = 0; u < 10; ++u) sum += Formula(x * 10 + u, y * 10 + v, 0, 8);
    EXPECT_NEAR(*thumbnail.At(x, y), sum / 100, 0.51) << x << ", " << y;
  }
}

}  // namespace image_source_test
}  // namespace genvinci
