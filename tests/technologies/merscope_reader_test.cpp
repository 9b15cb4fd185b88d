#include <gmock/gmock.h>

#include <cmath>
#include <cstring>

#include "genvinci/data/dataset.h"
#include "genvinci/technologies/prepare.h"
#include "testing/test_folder.h"

namespace genvinci {
namespace merscope_reader_test {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr int64_t kWidth = 300, kHeight = 200, kCells = 30;
// px = 2.0 um + 10 in x, 2.1 um - 4 in y.
constexpr double kScaleX = 2, kScaleY = 2.1, kShiftX = 10, kShiftY = -4;

// Ids that a double cannot tell apart.
std::string CellId(int64_t k) { return std::to_string(2305843009213693951 + k); }
Point PixelOf(int64_t k) { return {30.0 + 24 * static_cast<double>(k % 10), 30.0 + 60 * static_cast<double>(k / 10)}; }
Point UmOf(int64_t k) { return {(PixelOf(k).x - kShiftX) / kScaleX, (PixelOf(k).y - kShiftY) / kScaleY}; }

// 16 bits: bright at the cells, and elsewhere a slope that tells stain and place.
Image Stain(int64_t stain) {
  Image image(kWidth, kHeight, 1, 16);
  for (int64_t y = 0; y < kHeight; ++y)
    for (int64_t x = 0; x < kWidth; ++x) {
      auto value = static_cast<uint16_t>(1000 * stain + x + 2 * y);
      for (int64_t k = 0; k < kCells; ++k)
        if (std::hypot(PixelOf(k).x - static_cast<double>(x), PixelOf(k).y - static_cast<double>(y)) < 5)
          value += 30000;
      std::memcpy(image.At(x, y), &value, 2);
    }
  return image;
}

class Merscope : public ::testing::Test {
 protected:
  void SetUp() override {
    options_.input = (folder_ / "region_0").string();
    options_.common.output = (folder_ / "out").string();
    options_.split = "section";
    options_.patch_size = 20;
    options_.value_range = {0, 65535};
    Write("region_0", "");
  }

  // Counts of gene g in cell k are (k + g) % 4; the metadata's rows come in another order.
  void Write(const std::string& region, const std::string& prefix, const std::string& id_name = "EntityID") {
    const fs::path to = folder_ / region;
    fs::create_directories(to / "images");
    std::string counts = "cell,TP53,Blank-1,ACTB,EPCAM\n", metadata = id_name + ",fov,volume,center_x,center_y\n";
    for (int64_t k = 0; k < kCells; ++k)
      counts += fmt::format("{},{}.0,9.0,{},{}\n", CellId(k), 1 + k % 4, 1 + (k + 1) % 4, (k + 2) % 4);
    for (int64_t i = 0; i < kCells; ++i) {
      const int64_t k = (i * 7) % kCells;
      metadata += fmt::format("{},{},{},{},{}\n", CellId(k), k % 3, 100 + k, UmOf(k).x, UmOf(k).y);
    }
    WriteText(to / (prefix + "cell_by_gene.csv"), counts);
    WriteText(to / (prefix + "cell_metadata.csv"), metadata);
    WriteText(to / "images/micron_to_mosaic_pixel_transform.csv",
              fmt::format("{} 0 {}\n0 {} {}\n0 0 1\n", kScaleX, kShiftX, kScaleY, kShiftY));
    int64_t number = 0;
    for (const char* stain : {"PolyT", "DAPI"}) {
      ++number;
      for (const int64_t plane : {2, 3})
        WriteTiff(to / "images" / fmt::format("mosaic_{}_z{}.tif", stain, plane), Stain(plane == 3 ? number : 9));
    }
  }
  Dataset Prepared() {
    fs::remove_all(folder_ / "out");
    Prepare(options_);
    return Dataset::Open((folder_ / "out").string());
  }
  Caught Refused() {
    const Caught caught = Catch([&] { Prepare(options_); });
    EXPECT_FALSE(fs::exists(folder_ / "out")) << caught.text;
    return caught;
  }
  fs::path In(const std::string& name) const { return folder_ / "region_0" / name; }

  void ExpectAllInPlace(const Dataset& dataset) {
    ASSERT_EQ(dataset.size(), kCells);
    for (int64_t k = 0; k < kCells; ++k) {
      const auto i = static_cast<size_t>(k);
      EXPECT_EQ(dataset.obs().index[i], "region_0_" + CellId(k));
      EXPECT_NEAR(dataset.obs().Find("x")->floats[i], PixelOf(k).x, 1e-6);
      EXPECT_NEAR(dataset.obs().Find("y")->floats[i], PixelOf(k).y, 1e-6);
      EXPECT_EQ(dataset.obs().Find("volume")->floats[i], 100 + k);
    }
  }

  TestFolder folder_;
  PrepareOptions options_;
};

TEST_F(Merscope, JoinsCellsByIdAndPlacesThemByTheMatrix) {
  const Dataset dataset = Prepared();
  ExpectAllInPlace(dataset);
  EXPECT_THAT(dataset.info().channels, ElementsAre("DAPI", "PolyT"));
  EXPECT_NEAR(dataset.info().um_per_px, 1 / std::sqrt(kScaleX * kScaleY), 1e-9);
  EXPECT_EQ(dataset.info().technology, "merscope");
  EXPECT_THAT(dataset.gene_names(), ElementsAre("ENSG00000141510", "ENSG00000075624", "ENSG00000119888"));
  dataset.ForEachProfile([](int64_t k, std::span<const int32_t> columns, std::span<const float> counts) {
    std::vector<float> row(3, 0);
    for (size_t c = 0; c < columns.size(); ++c) row[static_cast<size_t>(columns[c])] = counts[c];
    EXPECT_THAT(row, ElementsAre(1 + k % 4, 1 + (k + 1) % 4, (k + 2) % 4));
  });
  // The middle plane of both stains, in their order: values of 16 bits become 8 by the range that is given.
  const Image patch = ReadImage(folder_ / "out/patches" / (EscapeFileName("region_0_" + CellId(0)) + ".tif"));
  for (const int64_t at : {0, 19}) {
    const int64_t x = 20 + at, y = 20 + at;
    for (int64_t c = 0; c < 2; ++c)
      EXPECT_EQ(patch.At(at, at)[c], std::lround((1000. * (c == 0 ? 2 : 1) + x + 2 * y) / 65535 * 255));
  }
}

TEST_F(Merscope, TakesVendorPrefixesUnnamedIdsAndMissingTables) {
  for (const char* name : {"cell_by_gene.csv", "cell_metadata.csv"}) fs::remove(In(name));
  Write("region_0", "cellpose_", "");
  ExpectAllInPlace(Prepared());
}

TEST_F(Merscope, ChoosesStainsAndPlane) {
  options_.channels = {"PolyT"};
  EXPECT_THAT(Prepared().info().channels, ElementsAre("PolyT"));
  options_.channels = {"Polyt"};
  fs::remove_all(folder_ / "out");
  EXPECT_THAT(Refused().text, HasSubstr("did you mean 'PolyT'"));
  options_.channels = {};
  options_.z_plane = 5;
  EXPECT_EQ(Refused().name, "IMAGE_MISSING");
}

TEST_F(Merscope, RefusesAFlippedImage) {
  options_.channels = {"DAPI"};
  Image image = ReadImage(In("images/mosaic_DAPI_z3.tif")), flipped = image;
  // Cells are in rows at 30, 90 and 150 of 200, so that their mirror images lie between them.
  for (int64_t y = 0; y < kHeight; ++y)
    std::memcpy(flipped.At(0, y), image.At(0, kHeight - 1 - y), static_cast<size_t>(kWidth) * 2);
  WriteTiff(In("images/mosaic_DAPI_z3.tif"), flipped);
  const Caught caught = Refused();
  EXPECT_EQ(caught.name, "PLACEMENT_ORIENTATION");
  EXPECT_THAT(caught.text, HasSubstr("top and bottom swapped"));
  options_.keep_orientation = true;
  EXPECT_EQ(Prepared().size(), kCells);
}

TEST_F(Merscope, RefusesIdsThatWereRoundedOrDoNotJoin) {
  const std::string counts = ReadFile(In("cell_by_gene.csv"));
  std::string rounded = counts;
  rounded.replace(rounded.find(CellId(0)), CellId(0).size(), "2.305843009213694e+18");
  WriteText(In("cell_by_gene.csv"), rounded);
  EXPECT_EQ(Refused().name, "MERSCOPE_ID");
  std::string twice = counts;
  twice.replace(twice.find(CellId(1)), CellId(1).size(), CellId(0));
  WriteText(In("cell_by_gene.csv"), twice);
  EXPECT_EQ(Refused().name, "MERSCOPE_ID");
  std::string others = "cell,TP53\n";
  for (int64_t k = 0; k < kCells; ++k) others += fmt::format("{},1\n", k);
  WriteText(In("cell_by_gene.csv"), others);
  const Caught caught = Refused();
  EXPECT_EQ(caught.name, "IDS_JOIN");
  EXPECT_THAT(caught.text, HasSubstr("0 of 30"));
}

TEST_F(Merscope, RefusesAMatrixThatPlacesNothing) {
  for (const char* text :
       {"2 0 0\n0 0 0\n0 0 1\n", "2 0 0\n0 2 0\n", "2 0 0\n0 x 0\n0 0 1\n", "2 0 0\n0 2 0\n0 1 1\n"}) {
    WriteText(In("images/micron_to_mosaic_pixel_transform.csv"), text);
    EXPECT_EQ(Refused().name, "MERSCOPE_TRANSFORM") << text;
  }
  WriteText(In("images/micron_to_mosaic_pixel_transform.csv"), "20 0 0\n0 20 0\n0 0 1\n");
  EXPECT_EQ(Refused().name, "PLACEMENT_OUTSIDE");
  fs::remove(In("images/micron_to_mosaic_pixel_transform.csv"));
  EXPECT_EQ(Refused().name, "MERSCOPE_TRANSFORM");
}

TEST_F(Merscope, RefusesWhatIsMissing) {
  fs::remove_all(In("images"));
  EXPECT_EQ(Refused().name, "IMAGE_MISSING");
  options_.no_images = true;
  options_.value_range = {};
  EXPECT_EQ(Prepared().size(), kCells);
  fs::remove_all(folder_ / "out");
  fs::remove(In("cell_metadata.csv"));
  options_.technology = "merscope";
  EXPECT_EQ(Refused().name, "MERSCOPE_MISSING");
  std::string negative = ReadFile(In("cell_by_gene.csv"));
  negative.replace(negative.find("1.0"), 3, "-1");
  Write("region_0", "");
  WriteText(In("cell_by_gene.csv"), negative);
  EXPECT_EQ(Refused().name, "NOT_COUNTS");
}

}  // namespace merscope_reader_test
}  // namespace genvinci
