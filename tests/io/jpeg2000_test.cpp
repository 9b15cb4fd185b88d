#include <gmock/gmock.h>
#include <sys/resource.h>
#include <tiffio.h>

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

// Of a TIFF of one tile or strip.
struct Page {
  int64_t width = 80, height = 48, channels = 3;
  int64_t tile = 0;  // side; 0: one strip
  int photometric = PHOTOMETRIC_RGB, compression = 34712;
};

class Jpeg2000 : public ::testing::Test {
 protected:
  TestFolder folder_;

  // A TIFF that holds `data` as they are.
  fs::path Save(const Page& page, std::string data) const {
    const fs::path path = folder_ / "one.tif";
    TIFF* tiff = TIFFOpen(path.c_str(), "w");
    TIFFSetField(tiff, TIFFTAG_IMAGEWIDTH, static_cast<uint32_t>(page.width));
    TIFFSetField(tiff, TIFFTAG_IMAGELENGTH, static_cast<uint32_t>(page.height));
    TIFFSetField(tiff, TIFFTAG_SAMPLESPERPIXEL, static_cast<int>(page.channels));
    TIFFSetField(tiff, TIFFTAG_BITSPERSAMPLE, 8);
    TIFFSetField(tiff, TIFFTAG_PHOTOMETRIC, page.channels == 1 ? PHOTOMETRIC_MINISBLACK : page.photometric);
    TIFFSetField(tiff, TIFFTAG_COMPRESSION, page.compression);
    if (page.tile > 0) {
      TIFFSetField(tiff, TIFFTAG_TILEWIDTH, static_cast<uint32_t>(page.tile));
      TIFFSetField(tiff, TIFFTAG_TILELENGTH, static_cast<uint32_t>(page.tile));
    } else {
      TIFFSetField(tiff, TIFFTAG_ROWSPERSTRIP, static_cast<uint32_t>(page.height));
    }
    const auto size = static_cast<tmsize_t>(data.size());
    EXPECT_EQ(
        page.tile > 0 ? TIFFWriteRawTile(tiff, 0, data.data(), size) : TIFFWriteRawStrip(tiff, 0, data.data(), size),
        size);
    TIFFClose(tiff);
    return path;
  }

  // What reading such a TIFF says, less the file's name; "" when it is read.
  std::string Complaint(const Page& page, const std::string& data) const {
    const fs::path path = Save(page, data);
    const Caught caught = Catch([&] { ReadImage(path); });
    EXPECT_TRUE(caught.name.empty() || caught.name == "IMAGE_DECODE") << caught.name;
    return caught.text.substr(std::min(caught.text.size(), path.string().size()));
  }
};

// The codestream of the first tile of a golden file.
std::string FirstTile(const std::string& name) {
  const std::string file = ReadFile(kJ2kGolden / name);
  const size_t start = file.find("\xFF\x4F\xFF\x51");
  return file.substr(start, file.find("\xFF\xD9", start) + 2 - start);
}

// The first 80 x 48 px of j2k_rgb.npy: its first tile.
std::string FirstPixels() {
  const std::string all = Pixels("j2k_rgb.npy");
  std::string first;
  for (size_t y = 0; y < 48; ++y) first += all.substr(y * 140 * 3, 80 * 3);
  return first;
}

std::string BigEndian(uint64_t value, int bytes) {
  std::string out;
  for (int i = bytes; i-- > 0;) out += static_cast<char>(value >> 8 * i);
  return out;
}

std::string Box(const std::string& type, const std::string& data) {
  return BigEndian(data.size() + 8, 4) + type + data;
}

// A codestream of 80 x 48 px in JP2 boxes, `more` in its header.
std::string Jp2(const std::string& codestream, int channels, const std::string& more = "") {
  const std::string header = BigEndian(48, 4) + BigEndian(80, 4) + BigEndian(static_cast<uint64_t>(channels), 2);
  return Box("jP  ", "\r\n\x87\n") + Box("ftyp", std::string("jp2 \0\0\0\0jp2 ", 12)) +
         Box("jp2h", Box("ihdr", header + std::string("\7\7\0\0", 4)) +
                         Box("colr", std::string("\1\0\0\0\0\0\x10", 7)) + more) +
         Box("jp2c", codestream);
}

// A palette whose `columns` are the first channel's values.
std::string Palette(int columns) {
  std::string palette =
      BigEndian(256, 2) + static_cast<char>(columns) + std::string(static_cast<size_t>(columns), '\7');
  std::string map;
  for (int value = 0; value < 256; ++value)
    palette += std::string(static_cast<size_t>(columns), static_cast<char>(value));
  for (int column = 0; column < columns; ++column) map += std::string("\0\0\1", 3) + static_cast<char>(column);
  return Box("pclr", palette) + Box("cmap", map);
}

// A header alone.
std::string Header(uint64_t side, uint64_t tile, uint64_t channels) {
  std::string sizes = BigEndian(0, 2);
  for (const uint64_t value : {side, side, uint64_t{0}, uint64_t{0}, tile, tile, uint64_t{0}, uint64_t{0}})
    sizes += BigEndian(value, 4);
  sizes += BigEndian(channels, 2);
  for (uint64_t c = 0; c < channels; ++c) sizes += "\7\1\1";
  return "\xFF\x4F\xFF\x51" + BigEndian(sizes.size() + 2, 2) + sizes +
         std::string("\xFF\x52\0\x0C\0\0\0\1\0\5\4\4\0\1\xFF\x5C\0\x13\x40", 19) + std::string(16, '\x40') +
         std::string("\xFF\x90\0\x0A\0\0\0\0\0\0\0\1\xFF\x93\xFF\xD9", 16);
}

TEST_F(Jpeg2000, GivesThePixelsThatWereWritten) {
  for (const char* name : {"j2k_grey", "j2k_rgb", "j2k_ycbcr", "j2k_ycbcr422", "j2k_ycbcr420"}) {
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

TEST_F(Jpeg2000, ReadsStripsBoxesAndTilesThatAreCutAtTheEdge) {
  const std::string tile = FirstTile("j2k_rgb.tif");
  EXPECT_EQ(Bytes(ReadImage(Save({}, tile))), FirstPixels());
  EXPECT_EQ(Bytes(ReadImage(Save({.tile = 96}, tile))), FirstPixels());
  EXPECT_EQ(Bytes(ReadImage(Save({}, Jp2(tile, 3)))), FirstPixels());
  EXPECT_THAT(Complaint({}, Jp2(tile, 3).substr(0, 60)), HasSubstr("no JPEG 2000 data"));
}

TEST_F(Jpeg2000, RefusesWhatIsNotTheTiffs) {
  const std::string colour = FirstTile("j2k_rgb.tif"), reduced = FirstTile("j2k_ycbcr422.tif");
  EXPECT_THAT(Complaint({.channels = 1}, colour), HasSubstr("have 3 channels, the image 1"));
  EXPECT_THAT(Complaint({.width = 79}, colour), HasSubstr("are 80 x 48 px, the tile is 79 x 48"));
  EXPECT_THAT(Complaint({.width = 64, .height = 64, .channels = 1}, FirstTile("j2k_grey.tif")),
              HasSubstr("have 16 bits a value, the image 8"));
  std::string with_sign = colour;
  with_sign[42] = static_cast<char>(with_sign[42] | '\x80');
  EXPECT_THAT(Complaint({}, with_sign), HasSubstr("have signed 8 bits a value"));
  EXPECT_EQ(Complaint({.width = 32, .height = 32, .photometric = PHOTOMETRIC_YCBCR, .compression = 33003}, reduced),
            "");
  EXPECT_THAT(Complaint({.width = 32, .height = 32}, reduced), HasSubstr("a channel of one value for 2 x 1 px"));
  // Whether such colour was turned already, nothing says.
  EXPECT_EQ(Catch([&] { ReadImage(Save({.photometric = PHOTOMETRIC_YCBCR}, colour)); }).name, "IMAGE_CODEC");
}

// It changes the number of channels after they were decoded.
TEST_F(Jpeg2000, RefusesPalettes) {
  const std::string colour = FirstTile("j2k_rgb.tif");
  EXPECT_THAT(Complaint({}, Jp2(colour, 3, Palette(1))), HasSubstr("have 1 channels, the image 3"));
  EXPECT_THAT(Complaint({}, Jp2(colour, 3, Palette(4))), HasSubstr("have 4 channels, the image 3"));
}

TEST_F(Jpeg2000, AHeaderCannotAskForMemory) {
  const auto peak = [] {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss / 1024;
  };
  const int64_t before = peak();
  const Page page{.width = 64, .height = 64, .channels = 1};
  EXPECT_THAT(Complaint(page, Header(64, 1, 1000)), HasSubstr("cut into 4096 tiles"));
  EXPECT_THAT(Complaint(page, Header(64, 64, 16384)), HasSubstr("have 16384 channels"));
  EXPECT_THAT(Complaint(page, Header(64, 0, 1)), HasSubstr("cut into 0 tiles"));
  EXPECT_THAT(Complaint(page, Header(uint64_t{1} << 31, uint64_t{1} << 31, 1)), HasSubstr("2147483648 px"));
  EXPECT_LT(peak() - before, 64) << "MiB";  // OpenJPEG would take 4 GiB
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
