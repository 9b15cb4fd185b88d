#include <gmock/gmock.h>

#include <cstring>
#include <random>

#include "genvinci/io/image_source.h"
#include "genvinci/io/npy.h"
#include "testing/test_folder.h"

namespace genvinci {
namespace jpeg2000_test {

using ::testing::HasSubstr;

const fs::path kJ2kGolden = fs::path(GENVINCI_SOURCE_DIR) / "tests/io/data";

// The bytes after a .npy file's header, which are the array's.
std::string Pixels(const std::string& name) {
  const std::string file = ReadFile(kJ2kGolden / name);
  const auto header = static_cast<size_t>(static_cast<uint8_t>(file[8]) | static_cast<uint8_t>(file[9]) << 8);
  return file.substr(10 + header);
}

std::string Bytes(const Image& image) {
  return {reinterpret_cast<const char*>(image.bytes.data()), image.bytes.size()};
}

class Jpeg2000 : public ::testing::Test {
 protected:
  TestFolder folder_;
};

TEST_F(Jpeg2000, GivesThePixelsThatWereWritten) {
  for (const char* name : {"j2k_grey", "j2k_rgb", "j2k_ycbcr"}) {
    const auto source = OpenImageSource(kJ2kGolden / (std::string(name) + ".tif"));
    const ImageInfo& info = source->info();
    EXPECT_EQ(Bytes(source->Region({0, 0, info.width, info.height})), Pixels(std::string(name) + ".npy")) << name;
    EXPECT_EQ(Bytes(ReadImage(kJ2kGolden / (std::string(name) + ".tif"))), Pixels(std::string(name) + ".npy")) << name;
  }
  EXPECT_EQ(Bytes(ReadImage(kJ2kGolden / "j2k_aperio.tif")), Pixels("j2k_rgb.npy"));
}

TEST_F(Jpeg2000, ReadsRegionsAcrossTilesAndLevels) {
  const auto source = OpenImageSource(kJ2kGolden / "j2k_grey.tif");
  ASSERT_EQ(source->levels().size(), 2u);
  EXPECT_EQ(source->levels()[1].width, 70);
  const std::string all = Pixels("j2k_grey.npy");
  const auto value = [&](int64_t x, int64_t y) {
    uint16_t pixel = 0;
    std::memcpy(&pixel, all.data() + 2 * (y * 140 + x), 2);
    return pixel;
  };
  const Image region = source->Region({50, 55, 90, 35});
  const Image half = source->Region({20, 10, 50, 35}, 1);
  for (int64_t y = 0; y < 35; ++y)
    for (int64_t x = 0; x < 50; ++x) {
      EXPECT_EQ(reinterpret_cast<const uint16_t*>(region.At(x, y))[0], value(50 + x, 55 + y));
      EXPECT_EQ(reinterpret_cast<const uint16_t*>(half.At(x, y))[0], value(40 + 2 * x, 20 + 2 * y));
    }
}

TEST_F(Jpeg2000, EndsWellOnWhatIsDamaged) {
  const std::string whole = ReadFile(kJ2kGolden / "j2k_grey.tif");
  const fs::path path = folder_ / "damaged.tif";
  std::mt19937 random(3);
  int refused = 0;
  for (int i = 0; i < 300; ++i) {
    std::string bytes = whole;
    bytes[random() % bytes.size()] ^= static_cast<char>(1 << random() % 8);
    WriteText(path, bytes);
    const std::string name = Catch([&] { ReadImage(path); }).name;
    EXPECT_TRUE(name.empty() || name.starts_with("IMAGE_") || name == "MEMORY") << name;
    refused += !name.empty();
  }
  EXPECT_GT(refused, 5);
  // The codestream of the first tile ends early: not grey, but an error that names the tile.
  std::string cut = whole;
  const size_t start = cut.find("\xFF\x4F\xFF\x51");
  const size_t end = cut.find("\xFF\xD9", start);
  ASSERT_NE(end, std::string::npos);
  std::fill(cut.begin() + static_cast<int64_t>((start + end) / 2), cut.begin() + static_cast<int64_t>(end) + 2, '\0');
  WriteText(path, cut);
  const Caught caught = Catch([&] { ReadImage(path); });
  EXPECT_EQ(caught.name, "IMAGE_DECODE");
  EXPECT_THAT(caught.text, HasSubstr("the tile at (0, 0)"));
}

// Little-endian, one entry of compression: another number stands for a codec that is not read.
TEST_F(Jpeg2000, RefusesCodecsThatAreNotReadByNumber) {
  Image image(8, 8, 1);
  WriteTiff(folder_ / "plain.tif", image);
  std::string bytes = ReadFile(folder_ / "plain.tif");
  const size_t at = bytes.find(std::string("\x03\x01\x03\x00\x01\x00\x00\x00", 8));
  ASSERT_NE(at, std::string::npos);
  for (const uint16_t codec : {uint16_t{50002}, uint16_t{65000}}) {
    std::memcpy(bytes.data() + at + 8, &codec, 2);
    WriteText(folder_ / "other.tif", bytes);
    for (const bool whole : {true, false}) {
      const Caught caught = Catch([&] {
        if (whole)
          ReadImage(folder_ / "other.tif");
        else
          OpenImageSource(folder_ / "other.tif");
      });
      EXPECT_EQ(caught.name, "IMAGE_CODEC") << codec << caught.text;
      EXPECT_THAT(caught.text, HasSubstr(std::to_string(codec)));
    }
  }
}

}  // namespace jpeg2000_test
}  // namespace genvinci
