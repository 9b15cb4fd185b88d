#include "genvinci/io/image.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>
#include <zlib.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <numeric>

#include "genvinci/core/error.h"

namespace genvinci {
namespace image_test {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

class ImageTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "genvinci_image_XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { fs::remove_all(folder_); }

  fs::path Write(const std::string& name, const std::string& bytes) const {
    std::ofstream(folder_ / name, std::ios::binary) << bytes;
    return folder_ / name;
  }
  std::string Read(const fs::path& path) const {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  fs::path folder_;
};

// The name of the error that reading ends in, "" when it succeeds.
std::string ReadError(const fs::path& path, int64_t cap = kDefaultPixelCap) {
  try {
    ReadImage(path, cap);
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr(path.filename().string()));
    EXPECT_EQ(error.exit_code(), ExitCode::kBadData);
    return error.name();
  }
  return "";
}

// Every sample different from its neighbours, and every channel from the others.
Image Pattern(int64_t width, int64_t height, int64_t channels, int bits = 8) {
  Image image(width, height, channels, bits);
  for (size_t i = 0; i < image.bytes.size(); ++i) image.bytes[i] = static_cast<uint8_t>((i * 37 + i / 7 * 11) % 251);
  return image;
}

std::string Number(uint64_t value, int bytes, bool big_endian) {
  std::string out;
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> 8 * (big_endian ? bytes - 1 - i : i));
  return out;
}

std::string Chunk(const std::string& type, const std::string& data) {
  const std::string body = type + data;
  const uLong crc = crc32(0, reinterpret_cast<const Bytef*>(body.data()), static_cast<uInt>(body.size()));
  return Number(data.size(), 4, true) + body + Number(crc, 4, true);
}

std::string Deflate(const std::string& data) {
  uLongf size = compressBound(data.size());
  std::string out(size, '\0');
  compress(reinterpret_cast<Bytef*>(out.data()), &size, reinterpret_cast<const Bytef*>(data.data()), data.size());
  return out.substr(0, size);
}

// `rows` holds the filter byte of each row.
std::string Png(uint64_t width, uint64_t height, int bits, int colour, const std::string& rows,
                const std::string& more = "") {
  return "\x89PNG\r\n\x1a\n" +
         Chunk("IHDR", Number(width, 4, true) + Number(height, 4, true) + static_cast<char>(bits) +
                           static_cast<char>(colour) + std::string(3, '\0')) +
         more + Chunk("IDAT", Deflate(rows)) + Chunk("IEND", "");
}

struct TiffTag {
  int tag, type;
  std::vector<uint64_t> values;
};

// A little-endian TIFF: header, `data` at offset 8, then one page whose follower is at `next`.
std::string Tiff(const std::vector<TiffTag>& tags, const std::string& data, uint64_t next = 0) {
  std::string extra;
  const uint64_t page = 8 + data.size(), behind = page + 2 + tags.size() * 12 + 4;
  std::string out = std::string("II*\0", 4) + Number(page, 4, false) + data + Number(tags.size(), 2, false);
  for (const TiffTag& tag : tags) {
    const int width = tag.type == 3 ? 2 : 4;
    std::string values;
    for (const uint64_t value : tag.values) values += Number(value, width, false);
    out += Number(tag.tag, 2, false) + Number(tag.type, 2, false) + Number(tag.values.size(), 4, false);
    if (values.size() <= 4) {
      values.resize(4, '\0');
      out += values;
    } else {
      out += Number(behind + extra.size(), 4, false);
      extra += values;
    }
  }
  return out + Number(next, 4, false) + extra;
}

// 4 x 2 grey pixels of 8 bits in one strip, but for what `changes` sets.
std::string GreyTiff(const std::vector<TiffTag>& changes, const std::string& data = "abcdefgh", uint64_t next = 0) {
  std::vector<TiffTag> tags = {{256, 3, {4}}, {257, 3, {2}}, {258, 3, {8}}, {259, 3, {1}}, {262, 3, {1}},
                               {273, 4, {8}}, {277, 3, {1}}, {278, 3, {2}}, {279, 4, {8}}};
  for (const TiffTag& change : changes) {
    const auto same = [&](const TiffTag& tag) { return tag.tag == change.tag; };
    std::erase_if(tags, same);
    if (!change.values.empty()) tags.push_back(change);
  }
  std::sort(tags.begin(), tags.end(), [](const TiffTag& a, const TiffTag& b) { return a.tag < b.tag; });
  return Tiff(tags, data, next);
}

TEST_F(ImageTest, LosslessFormatsKeepEverySample) {
  for (const int bits : {8, 16}) {
    for (const int64_t channels : {1, 3, 4}) {
      const Image image = Pattern(13, 7, channels, bits);
      WritePng(folder_ / "a.png", image);
      const Image again = ReadImage(folder_ / "a.png");
      EXPECT_EQ(again.bytes, image.bytes) << "png " << channels << " x " << bits;
      EXPECT_EQ(again.bits, bits);
      EXPECT_EQ(again.width, 13);
    }
    for (const int64_t channels : {1, 2, 3, 4, 5, 9}) {
      const Image image = Pattern(13, 7, channels, bits);
      WriteTiff(folder_ / "a.tif", image);
      const Image again = ReadImage(folder_ / "a.tif");
      EXPECT_EQ(again.channels, channels);
      EXPECT_EQ(again.bytes, image.bytes) << "tiff " << channels << " x " << bits;
    }
  }
}

TEST_F(ImageTest, InfoAgreesWithWhatIsRead) {
  WritePng(folder_ / "a.png", Pattern(5, 9, 4, 16));
  WriteTiff(folder_ / "a.tif", Pattern(6, 2, 6));
  WriteJpeg(folder_ / "a.jpg", Pattern(8, 3, 1));
  const auto check = [&](const char* name, const char* format) {
    const ImageInfo info = ReadImageInfo(folder_ / name);
    const Image image = ReadImage(folder_ / name);
    EXPECT_EQ(info.format, format);
    EXPECT_EQ(std::tuple(info.width, info.height, info.channels, info.bits),
              std::tuple(image.width, image.height, image.channels, image.bits));
  };
  check("a.png", "png");
  check("a.tif", "tiff");
  check("a.jpg", "jpeg");
}

TEST_F(ImageTest, ChannelsAreRedGreenBlue) {
  // Written by hand, so that a swap both ways would show.
  const std::string rows("\0\xff\x80\x01", 4);
  EXPECT_THAT(ReadImage(Write("a.png", Png(1, 1, 8, 2, rows))).bytes, ElementsAre(255, 128, 1));
  const std::string red =
      GreyTiff({{256, 3, {1}}, {257, 3, {1}}, {258, 3, {8, 8, 8}}, {262, 3, {2}}, {277, 3, {3}}, {279, 4, {3}}},
               std::string("\xff\x80\x01", 3) + "?");
  EXPECT_THAT(ReadImage(Write("a.tif", red)).bytes, ElementsAre(255, 128, 1));

  Image image(16, 16, 3);
  for (int64_t i = 0; i < 256; ++i) image.bytes[i * 3] = 255;
  WriteJpeg(folder_ / "a.jpg", image);
  const Image jpeg = ReadImage(folder_ / "a.jpg");
  EXPECT_NEAR(jpeg.At(8, 8)[0], 255, 3);
  EXPECT_NEAR(jpeg.At(8, 8)[2], 0, 3);
  WritePng(folder_ / "b.png", image);
  const std::string png = Read(folder_ / "b.png");
  std::string pixels(16 * 49, '\0');
  uLongf size = pixels.size();
  const size_t start = png.find("IDAT");
  uncompress(reinterpret_cast<Bytef*>(pixels.data()), &size, reinterpret_cast<const Bytef*>(png.data()) + start + 4,
             png.size() - start);
  EXPECT_EQ(pixels.substr(1, 3), std::string("\xff\0\0", 3));
}

TEST_F(ImageTest, PaletteGreyAlphaAndTwoBitsAreExpanded) {
  const std::string palette = Chunk("PLTE", std::string("\1\2\3\4\5\6", 6));
  EXPECT_THAT(ReadImage(Write("p.png", Png(2, 1, 8, 3, std::string("\0\1\0", 3), palette))).bytes,
              ElementsAre(4, 5, 6, 1, 2, 3));
  const std::string clear = palette + Chunk("tRNS", std::string("\x09", 1));
  EXPECT_THAT(ReadImage(Write("t.png", Png(2, 1, 8, 3, std::string("\0\1\0", 3), clear))).bytes,
              ElementsAre(4, 5, 6, 255, 1, 2, 3, 9));
  EXPECT_THAT(ReadImage(Write("g.png", Png(1, 1, 8, 4, std::string("\0\x64\x32", 3)))).bytes,
              ElementsAre(100, 100, 100, 50));
  EXPECT_THAT(ReadImage(Write("b.png", Png(2, 1, 2, 0, std::string("\0\x60", 2)))).bytes, ElementsAre(85, 170));
}

TEST_F(ImageTest, SixteenBitsKeepTheirValue) {
  const Image image = ReadImage(Write("a.png", Png(1, 1, 16, 0, std::string("\0\x12\x34", 3))));
  uint16_t value;
  std::memcpy(&value, image.bytes.data(), 2);
  EXPECT_EQ(value, 0x1234);
}

TEST_F(ImageTest, JpegComesBackNearlyAsWritten) {
  Image image(64, 48, 3);
  for (int64_t y = 0; y < 48; ++y) {
    for (int64_t x = 0; x < 64; ++x) {
      image.At(x, y)[0] = static_cast<uint8_t>(200 - x);
      image.At(x, y)[1] = static_cast<uint8_t>(80 + y);
      image.At(x, y)[2] = static_cast<uint8_t>(120 + x / 2);
    }
  }
  WriteJpeg(folder_ / "a.jpg", image);
  const Image again = ReadImage(folder_ / "a.jpg");
  double error = 0;
  for (size_t i = 0; i < image.bytes.size(); ++i) error += std::abs(image.bytes[i] - again.bytes[i]);
  EXPECT_LT(error / static_cast<double>(image.bytes.size()), 1.5);
}

TEST_F(ImageTest, CameraOrientationIsLeftAlone) {
  WriteJpeg(folder_ / "a.jpg", Pattern(24, 8, 3));
  const Image plain = ReadImage(folder_ / "a.jpg");
  std::string turned = Read(folder_ / "a.jpg");
  // An Exif block with orientation 6: rotate by 90 degrees.
  const std::string exif = std::string("Exif\0\0", 6) + Tiff({{274, 3, {6}}}, "");
  turned.insert(2, "\xff\xe1" + Number(exif.size() + 2, 2, true) + exif);
  const Image same = ReadImage(Write("b.jpg", turned));
  EXPECT_EQ(same.width, 24);
  EXPECT_EQ(same.bytes, plain.bytes);
}

TEST_F(ImageTest, TextChunksComeBack) {
  const std::string long_text(100000, 'x');
  const std::vector<std::pair<std::string, std::string>> text = {
      {"Software", "genvinci 0.1.0"}, {"Comment", "synthetic, 5 µm"}, {"Empty", ""}, {"Long", long_text}};
  WritePng(folder_ / "a.png", Pattern(3, 3, 3), text);
  EXPECT_EQ(ReadPngText(folder_ / "a.png"), text);
  EXPECT_EQ(ReadImage(folder_ / "a.png").bytes, Pattern(3, 3, 3).bytes);
  EXPECT_THROW(WritePng(folder_ / "b.png", Pattern(3, 3, 3), {{"", "x"}}), InternalError);
  EXPECT_FALSE(fs::exists(folder_ / "b.png"));
}

TEST_F(ImageTest, TextOfOtherProgramsIsUtf8) {
  const std::string more = Chunk("tEXt", std::string("Title\0caf\xe9", 10)) +
                           Chunk("zTXt", std::string("Note\0\0", 6) + Deflate("deflated")) +
                           Chunk("iTXt", std::string("Key\0\0\0en\0Wort\0", 14) + "\xc3\xa9");
  EXPECT_THAT(ReadPngText(Write("a.png", Png(1, 1, 8, 0, std::string(2, '\0'), more))),
              ElementsAre(Pair("Title", "caf\xc3\xa9"), Pair("Note", "deflated"), Pair("Key", "\xc3\xa9")));
}

TEST_F(ImageTest, ShrinkingAverages) {
  Image image(4, 2, 1);
  image.bytes = {10, 20, 30, 40, 50, 60, 70, 80};
  EXPECT_THAT(Resize(image, 2, 1).bytes, ElementsAre(35, 55));
  Image three(3, 1, 1);
  three.bytes = {0, 90, 180};
  // Each of two covers one and a half: (0 + 90 / 2) / 1.5 and (90 / 2 + 180) / 1.5.
  EXPECT_THAT(Resize(three, 2, 1).bytes, ElementsAre(30, 150));
  Image many = Pattern(6, 4, 7);
  const Image small = Resize(many, 3, 2);
  const int sum = many.At(2, 0)[6] + many.At(3, 0)[6] + many.At(2, 1)[6] + many.At(3, 1)[6];
  EXPECT_NEAR(small.At(1, 0)[6], sum / 4.0, 0.51);
}

TEST_F(ImageTest, ShrinkingOneSideAndEnlargingTheOtherStillAverages) {
  Image image(4, 2, 1);
  image.bytes = {0, 100, 200, 100, 0, 100, 200, 100};
  const Image wide = Resize(image, 2, 4);
  for (int64_t y = 0; y < 4; ++y) EXPECT_THAT(std::vector<int>(wide.At(0, y), wide.At(0, y) + 2), ElementsAre(50, 150));
}

TEST_F(ImageTest, EnlargingIsBicubic) {
  Image image(4, 1, 1);
  image.bytes = {0, 0, 100, 100};
  // Keys' kernel with a = -0.75 at distances 1.25, 0.25, 0.75, 1.75 of the third sample of eight.
  const Image wide = Resize(image, 8, 1);
  const auto near = [](double d, double a) { return ((a + 2) * d - (a + 3)) * d * d + 1; };
  const auto far = [](double d, double a) { return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a; };
  EXPECT_NEAR(wide.bytes[3], 100 * near(0.75, -0.75) + 100 * far(1.75, -0.75), 1);
  EXPECT_EQ(Resize(image, 4, 1).bytes, image.bytes);
}

TEST_F(ImageTest, CropAndPasteAreInverse) {
  const Image image = Pattern(9, 6, 3, 16);
  const Image part = Crop(image, 2, 1, 4, 3);
  EXPECT_EQ(std::memcmp(part.At(1, 2), image.At(3, 3), 6), 0);
  Image blank(9, 6, 3, 16);
  Paste(blank, part, 2, 1);
  EXPECT_EQ(Crop(blank, 2, 1, 4, 3).bytes, part.bytes);
  EXPECT_EQ(std::accumulate(blank.At(0, 0), blank.At(0, 1), 0), 0);
  EXPECT_THROW(Crop(image, 6, 0, 4, 3), InternalError);
  EXPECT_THROW(Crop(image, -1, 0, 4, 3), InternalError);
  EXPECT_THROW(Paste(blank, part, 6, 0), InternalError);
  EXPECT_THROW(Paste(blank, Pattern(2, 2, 1, 16), 0, 0), InternalError);
}

TEST_F(ImageTest, CirclesAndTextAreWhereTheyWereAskedFor) {
  Image image(60, 40, 3);
  DrawCircle(image, 20.5, 20, 10, {255, 0, 10}, 1);
  EXPECT_EQ(image.At(20, 20)[0], 0);
  int on_ring = 0, soft = 0;
  for (int64_t y = 0; y < 40; ++y) {
    for (int64_t x = 0; x < 60; ++x) {
      const double distance = std::hypot(x - 20.5, y - 20.0);
      EXPECT_TRUE(std::abs(distance - 10) < 2 || image.At(x, y)[0] == 0) << x << " " << y;
      on_ring += image.At(x, y)[0] > 128;
      soft += image.At(x, y)[0] > 0 && image.At(x, y)[0] < 255;
    }
  }
  EXPECT_GT(on_ring, 40);
  EXPECT_GT(soft, 20);
  Image sheet(80, 40, 1);
  DrawText(sheet, "HI", 5, 8, 20, {255, 255, 255});
  int64_t top = 40, bottom = -1, left = 80;
  for (int64_t y = 0; y < 40; ++y) {
    for (int64_t x = 0; x < 80; ++x) {
      if (sheet.At(x, y)[0] < 128) continue;
      top = std::min(top, y), bottom = std::max(bottom, y), left = std::min(left, x);
    }
  }
  EXPECT_NEAR(static_cast<double>(top), 8, 2);
  EXPECT_NEAR(static_cast<double>(bottom), 28, 2);
  EXPECT_NEAR(static_cast<double>(left), 6, 3);
}

TEST_F(ImageTest, NoFileIsAMissingFile) { EXPECT_THROW(ReadImage(folder_ / "none.png"), MissingFileError); }

// The bad inputs, each with its error, and beside it the good twin.

TEST_F(ImageTest, EmptyAndCut) {
  EXPECT_EQ(ReadError(Write("a.png", "")), "IMAGE_CUT");
  WritePng(folder_ / "g.png", Pattern(40, 40, 3));
  WriteJpeg(folder_ / "g.jpg", Pattern(40, 40, 3));
  WriteTiff(folder_ / "g.tif", Pattern(40, 40, 3));
  for (const char* name : {"g.png", "g.jpg", "g.tif"}) {
    EXPECT_EQ(ReadError(folder_ / name), "");
    const std::string whole = Read(folder_ / name);
    for (size_t length = 4; length < whole.size(); length += 1 + whole.size() / 61) {
      const std::string error = ReadError(Write(std::string("cut_") + name, whole.substr(0, length)));
      EXPECT_TRUE(error == "IMAGE_CUT" || (length < 8 && error == "IMAGE_FORMAT"))
          << name << " " << length << " " << error;
    }
  }
}

TEST_F(ImageTest, SizeIsToldByTheHeader) {
  EXPECT_EQ(ReadError(Write("a.png", Png(1000000, 1000000, 8, 2, ""))), "IMAGE_SIZE");
  EXPECT_EQ(ReadError(Write("b.png", Png(0, 5, 8, 2, ""))), "IMAGE_SIZE");
  // Within the cap, but more than the pixel data can hold.
  EXPECT_EQ(ReadError(Write("c.png", Png(16000, 16000, 8, 2, ""))), "IMAGE_CUT");
  EXPECT_EQ(ReadImageInfo(Write("d.png", Png(30000, 30000, 8, 2, ""))).width, 30000);
}

TEST_F(ImageTest, OnePixelOverTheCap) {
  EXPECT_EQ(ReadError(Write("a.png", Png(16385, 16384, 8, 0, ""))), "IMAGE_SIZE");
  WritePng(folder_ / "b.png", Pattern(10, 10, 1));
  EXPECT_EQ(ReadError(folder_ / "b.png", 99), "IMAGE_SIZE");
  EXPECT_EQ(ReadError(folder_ / "b.png", 100), "");
}

TEST_F(ImageTest, TheSignatureCounts) {
  EXPECT_EQ(ReadError(Write("bmp.jpg", "BM" + std::string(60, '\0'))), "IMAGE_FORMAT");
  EXPECT_EQ(ReadError(Write("pnm.jpg", "P6\n1 1\n255\nabc")), "IMAGE_FORMAT");
  EXPECT_EQ(ReadError(Write("exr.jpg", "v/1\x01" + std::string(60, '\0'))), "IMAGE_FORMAT");
  WritePng(folder_ / "a.png", Pattern(4, 4, 3));
  fs::rename(folder_ / "a.png", folder_ / "png.jpg");
  EXPECT_EQ(ReadImageInfo(folder_ / "png.jpg").format, "png");
  EXPECT_EQ(ReadImage(folder_ / "png.jpg").bytes, Pattern(4, 4, 3).bytes);
}

TEST_F(ImageTest, TiffStructure) {
  EXPECT_EQ(ReadImage(Write("good.tif", GreyTiff({}))).bytes,
            (std::vector<uint8_t>{'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'}));
  const std::vector<TiffTag> tile = {{273, 4, {}},  {279, 4, {}},  {322, 3, {0}},
                                     {323, 3, {0}}, {324, 4, {8}}, {325, 4, {8}}};
  EXPECT_EQ(ReadError(Write("tile.tif", GreyTiff(tile))), "IMAGE_STRUCTURE");
  EXPECT_EQ(ReadError(Write("loop.tif", GreyTiff({}, "abcdefgh", 16))), "IMAGE_STRUCTURE");
  EXPECT_EQ(ReadError(Write("strip.tif", GreyTiff({{273, 4, {0xFFFFFFF0}}}))), "IMAGE_CUT");
  EXPECT_EQ(ReadError(Write("length.tif", GreyTiff({{279, 4, {0xFFFFFFF0}}}))), "IMAGE_CUT");
  EXPECT_EQ(ReadError(Write("short.tif", GreyTiff({{279, 4, {7}}}))), "IMAGE_CUT");
  EXPECT_EQ(ReadError(Write("few.tif", GreyTiff({{278, 3, {1}}}))), "IMAGE_STRUCTURE");
  EXPECT_EQ(ReadError(Write("rows.tif", GreyTiff({{278, 3, {0}}}))), "IMAGE_STRUCTURE");
  EXPECT_EQ(ReadError(Write("wide.tif", GreyTiff({{256, 4, {0xFFFFFFFF}}, {257, 4, {0xFFFFFFFF}}}))), "IMAGE_SIZE");
  EXPECT_EQ(ReadError(Write("next.tif", GreyTiff({}, "abcdefgh", 100000))), "IMAGE_CUT");
}

TEST_F(ImageTest, JpegOfTenThousandScans) {
  WriteJpeg(folder_ / "a.jpg", Pattern(16, 16, 1));
  std::string file = Read(folder_ / "a.jpg");
  const size_t scan = file.find("\xff\xda");
  const std::string data = file.substr(scan, file.size() - scan - 2);
  std::string many = file.substr(0, scan);
  for (int i = 0; i < 10000; ++i) many += data;
  EXPECT_EQ(ReadError(Write("b.jpg", many + "\xff\xd9")), "IMAGE_SCANS");
  EXPECT_EQ(ReadError(Write("c.jpg", file + "what a scanner appends")), "");
}

TEST_F(ImageTest, PngChecksumsAndInflatedText) {
  WritePng(folder_ / "a.png", Pattern(20, 20, 3), {{"Comment", "good"}});
  const std::string good = Read(folder_ / "a.png");
  for (const char* chunk : {"IHDR", "tEXt", "IDAT", "IEND"}) {
    std::string bad = good;
    bad[bad.find(chunk) + 4] ^= 1;
    EXPECT_EQ(ReadError(Write("b.png", bad)), "IMAGE_CRC") << chunk;
  }
  const std::string bomb = Chunk("zTXt", std::string("Comment\0\0", 9) + Deflate(std::string(3 << 20, 'x')));
  const fs::path path = Write("c.png", Png(1, 1, 8, 0, std::string(2, '\0'), bomb));
  EXPECT_EQ(ReadError(path), "IMAGE_TEXT");
  EXPECT_THROW(ReadPngText(path), DataError);
  const std::string no_pixels = "\x89PNG\r\n\x1a\n" + good.substr(8, 25) +
                                Chunk("IDAT", "not deflated, but long enough to be so") + Chunk("IEND", "");
  EXPECT_EQ(ReadError(Write("d.png", no_pixels)), "IMAGE_DECODE");
}

TEST_F(ImageTest, DepthsAndChannelsThatAreNotRead) {
  const std::string wide(64, 'x');
  EXPECT_EQ(ReadError(Write("16.tif", GreyTiff({{258, 3, {16}}, {279, 4, {16}}}, wide))), "");
  EXPECT_EQ(ReadError(Write("float.tif", GreyTiff({{258, 3, {32}}, {279, 4, {32}}, {339, 3, {3}}}, wide))),
            "IMAGE_DEPTH");
  EXPECT_EQ(ReadError(Write("signed.tif", GreyTiff({{339, 3, {2}}}))), "IMAGE_DEPTH");
  const std::vector<TiffTag> five = {{258, 3, {8, 8, 8, 8, 8}}, {277, 3, {5}}, {279, 4, {40}}};
  EXPECT_EQ(ReadError(Write("five.tif", GreyTiff(five, wide))), "IMAGE_CHANNELS");
  EXPECT_EQ(ReadError(Write("colour.png", Png(1, 1, 8, 5, std::string(2, '\0')))), "IMAGE_STRUCTURE");
}

TEST_F(ImageTest, PagesOfDifferentSizesAreRefusedAndReducedOnesPassedOver) {
  // A second page behind the first: its strip is the first page's.
  const auto two_pages = [](uint64_t width, uint64_t subfile) {
    const std::string first = GreyTiff({}, "abcdefgh");
    std::string second = GreyTiff({{254, 4, {subfile}}, {256, 3, {width}}, {279, 4, {width * 2}}}, "");
    std::string file = GreyTiff({}, "abcdefgh", first.size());
    return file + second.substr(8);
  };
  EXPECT_EQ(ReadError(Write("a.tif", two_pages(2, 0))), "IMAGE_PAGES");
  EXPECT_EQ(ReadImage(Write("b.tif", two_pages(2, 1))).channels, 1);
  EXPECT_EQ(ReadImage(Write("c.tif", two_pages(4, 0))).channels, 2);
}

// Whatever a flipped byte makes of a file, it is read or refused with one of our errors.
TEST_F(ImageTest, FlippedBytesAreContained) {
  WritePng(folder_ / "a.png", Pattern(9, 9, 3));
  WriteJpeg(folder_ / "a.jpg", Pattern(9, 9, 3));
  WriteTiff(folder_ / "a.tif", Pattern(9, 9, 3));
  for (const char* name : {"a.png", "a.jpg", "a.tif"}) {
    const std::string good = Read(folder_ / name);
    for (size_t i = 0; i < good.size(); i += 1 + good.size() / 150) {
      std::string bad = good;
      bad[i] = static_cast<char>(bad[i] ^ (1 << i % 8));
      try {
        ReadImage(Write("flip", bad));
      } catch (const DataError&) {
      }
    }
  }
}

TEST(RealHer2st, TheWholeSectionIsRead) {
  const char* given = std::getenv("GENVINCI_REAL_DATA");
  const fs::path root = given ? given : GENVINCI_SOURCE_DIR "/../shared/data";
  const fs::path path = root / "her2st" / "C2.jpg";
  if (!fs::exists(path)) GTEST_SKIP() << path << " is missing: set GENVINCI_REAL_DATA";
  const ImageInfo info = ReadImageInfo(path);
  EXPECT_GT(info.width * info.height, 80'000'000);
  const Image image = ReadImage(path);
  EXPECT_EQ(image.width, info.width);
  EXPECT_EQ(image.bytes.size(), static_cast<size_t>(info.width * info.height * 3));
  // Eosin and haematoxylin leave a tissue's green lowest.
  double red = 0, green = 0;
  for (int64_t y = info.height / 3; y < 2 * info.height / 3; y += 7) {
    for (int64_t x = info.width / 3; x < 2 * info.width / 3; x += 7)
      red += image.At(x, y)[0], green += image.At(x, y)[1];
  }
  EXPECT_GT(red, green);
}

}  // namespace image_test
}  // namespace genvinci
