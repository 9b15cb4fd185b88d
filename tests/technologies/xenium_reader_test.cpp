#include <gmock/gmock.h>

#include <cmath>
#include <cstring>

#include "genvinci/data/dataset.h"
#include "genvinci/technologies/prepare.h"
#include "genvinci/technologies/section.h"
#include "testing/test_folder.h"

namespace genvinci {
namespace xenium_reader_test {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr int64_t kWidth = 260, kHeight = 180, kCells = 24;
constexpr double kPixelSize = 0.25;

Point PixelAt(int64_t k) { return {30.0 + 26 * static_cast<double>(k % 8), 30.0 + 50 * static_cast<double>(k / 8)}; }

// 16 bits, bright at the cells; the slope elsewhere tells stain and place.
Image Stain(int64_t stain) {
  Image image(kWidth, kHeight, 1, 16);
  for (int64_t y = 0; y < kHeight; ++y)
    for (int64_t x = 0; x < kWidth; ++x) {
      auto value = static_cast<uint16_t>(1000 * stain + x + 2 * y);
      for (int64_t k = 0; k < kCells; ++k)
        if (std::hypot(PixelAt(k).x - static_cast<double>(x), PixelAt(k).y - static_cast<double>(y)) < 6)
          value += 30000;
      std::memcpy(image.At(x, y), &value, 2);
    }
  return image;
}

struct Bundle {
  std::string version = R"("analysis_sw_version": "xenium-2.0.0.6-35-ga7e17149a")";
  bool numbered_ids = false;  // of software before 1.3
  std::vector<std::string> stains = {"morphology_focus/morphology_focus_0000.ome.tif",
                                     "morphology_focus/morphology_focus_0001.ome.tif"};

  std::string Id(int64_t k) const {
    std::string id = "aaaaficg-1";
    id[6] = static_cast<char>('a' + k / 16);
    id[7] = static_cast<char>('a' + k % 16);
    return numbered_ids ? std::to_string(k + 1) : id;
  }

  void Write(const fs::path& folder) const {
    fs::create_directories(folder / "morphology_focus");
    fs::create_directories(folder / "cell_feature_matrix");
    WriteText(folder / "experiment.xenium", "{" + version + R"(, "pixel_size": 0.25})");
    std::string cells = "\"cell_id\",\"x_centroid\",\"y_centroid\",\"cell_area\"\n", barcodes, entries;
    std::string nuclei = "cell_id,vertex_x,vertex_y,label_id\n";
    for (int64_t i = 0; i < kCells; ++i) {
      const int64_t k = (5 * i + 3) % kCells;  // rows in another order
      cells += fmt::format("\"{}\",{},{},{}\n", Id(k), PixelAt(k).x * kPixelSize, PixelAt(k).y * kPixelSize, 50 + k);
      if (k == 4) continue;  // has no nucleus
      // A square of 2 um, 1 um to the right; cell 5 has a smaller one too, which does not count.
      for (const double side : k == 5 ? std::vector<double>{2, 1} : std::vector<double>{2})
        for (const auto& [dx, dy] : {std::pair{-1., -1.}, {1., -1.}, {1., 1.}, {-1., 1.}, {-1., -1.}})
          nuclei +=
              fmt::format("{},{},{},{}\n", Id(k), PixelAt(k).x * kPixelSize + (side == 2 ? 1 : -3) + dx * side / 2,
                          PixelAt(k).y * kPixelSize + dy * side / 2, 2 * k + (side == 2 ? 1 : 2));
    }
    for (int64_t k = 0; k < kCells; ++k) {
      barcodes += Id(k) + "\n";
      for (int64_t g = 1; g <= 5; ++g) entries += fmt::format("{} {} {}\n", g, k + 1, 1 + (k + g) % 4);
    }
    WriteText(folder / "cells.csv.gz", cells);
    WriteText(folder / "nucleus_boundaries.csv.gz", nuclei);
    WriteText(folder / "cell_feature_matrix/barcodes.tsv.gz", barcodes);
    WriteText(
        folder / "cell_feature_matrix/features.tsv.gz",
        "ENSG00000141510\tTP53\tGene Expression\nNegControlProbe_00042\tNegControlProbe_00042\tNegative Control "
        "Probe\nENSG00000075624\tACTB\tGene Expression\nBLANK_0006\tBLANK_0006\tUnassigned Codeword\nPTPRC\tCD45\t"
        "Protein Expression\n");
    WriteText(
        folder / "cell_feature_matrix/matrix.mtx.gz",
        fmt::format("%%MatrixMarket matrix coordinate integer general\n%\n5 {} {}\n{}", kCells, 5 * kCells, entries));
    int64_t number = 0;
    for (const std::string& stain : stains) {
      WriteTiff(folder / "stain.tif", Stain(++number));
      fs::rename(folder / "stain.tif", folder / stain);
    }
  }
};

class Xenium : public ::testing::Test {
 protected:
  void SetUp() override {
    options_.input = (folder_ / "bundle").string();
    options_.common.output = (folder_ / "out").string();
    options_.patch_size = 20;
    options_.split = "section";
    options_.value_range = {0, 65535};
    options_.allow_leak = true;
  }
  Dataset Prepared() {
    fs::remove_all(folder_ / "out");
    result_ = Prepare(options_);
    return Dataset::Open((folder_ / "out").string());
  }
  Caught Refused() {
    const Caught caught = Catch([&] { Prepare(options_); });
    EXPECT_FALSE(fs::exists(folder_ / "out")) << caught.text;
    return caught;
  }
  fs::path In(const std::string& name) const { return folder_ / "bundle" / name; }
  void ExpectAllInPlace(const Dataset& dataset, const Bundle& bundle) {
    ASSERT_EQ(dataset.size(), kCells);
    for (int64_t k = 0; k < kCells; ++k) {
      const auto i = static_cast<size_t>(k);
      EXPECT_EQ(dataset.obs().index[i], "bundle_" + bundle.Id(k));
      EXPECT_NEAR(dataset.obs().Find("x")->floats[i], PixelAt(k).x, 1e-9);
      EXPECT_NEAR(dataset.obs().Find("y")->floats[i], PixelAt(k).y, 1e-9);
      EXPECT_EQ(dataset.obs().Find("cell_area")->floats[i], 50 + k);
    }
    EXPECT_NEAR(dataset.info().um_per_px, kPixelSize, 1e-12);
    EXPECT_THAT(dataset.gene_names(), ElementsAre("ENSG00000141510", "ENSG00000075624"));
    dataset.ForEachProfile([](int64_t k, std::span<const int32_t> columns, std::span<const float> counts) {
      EXPECT_THAT(columns, ElementsAre(0, 1));
      EXPECT_THAT(counts, ElementsAre(1 + (k + 1) % 4, 1 + (k + 3) % 4));
    });
  }

  TestFolder folder_;
  PrepareOptions options_;
  Json result_;
};

TEST_F(Xenium, ReadsTheBundlesOfEachSoftware) {
  const Bundle old{.version = R"("analysis_sw_version": "Xenium-1.0.1")",
                   .numbered_ids = true,
                   .stains = {"morphology_focus.ome.tif"}};
  const Bundle four{.version = R"("analysis_sw_version": "xenium-4.0.1.0")",
                    .stains = {"morphology_focus/ch0000_dapi.ome.tif", "morphology_focus/ch0001_18s.ome.tif"}};
  struct Case {
    Bundle bundle;
    std::vector<std::string> channels;
  };
  for (const Case& c :
       std::vector<Case>{{Bundle(), {"DAPI", "ATP1A1/CD45/E-Cadherin"}}, {old, {"DAPI"}}, {four, {"DAPI", "18s"}}}) {
    fs::remove_all(folder_ / "bundle");
    c.bundle.Write(folder_ / "bundle");
    if (c.bundle.numbered_ids) fs::remove_all(In("morphology_focus"));
    const Dataset dataset = Prepared();
    ExpectAllInPlace(dataset, c.bundle);
    EXPECT_EQ(dataset.info().channels, c.channels);
    EXPECT_EQ(dataset.info().technology, "xenium");
    EXPECT_EQ(dataset.info().provenance["features_left_out"],
              Json({{"Negative Control Probe", 1}, {"Protein Expression", 1}, {"Unassigned Codeword", 1}}));
  }
}

TEST_F(Xenium, CutsTheStainsThatAreAskedFor) {
  Bundle().Write(folder_ / "bundle");
  options_.channels = {"ATP1A1/CD45/E-Cadherin"};
  const Dataset dataset = Prepared();
  const Image patch = ReadImage(folder_ / "out/patches" / (EscapeFileName(dataset.obs().index[0]) + ".png"));
  EXPECT_EQ(patch.channels, 1);
  EXPECT_EQ(patch.At(0, 0)[0], std::lround((2000. + 20 + 2 * 20) / 65535 * 255));
  options_.channels = {"dapi"};
  fs::remove_all(folder_ / "out");
  EXPECT_EQ(Refused().name, "CHANNELS");
}

TEST_F(Xenium, PlacesCellsAtTheirLargestNucleus) {
  Bundle().Write(folder_ / "bundle");
  options_.unit = "nucleus";
  const Dataset dataset = Prepared();
  EXPECT_EQ(dataset.size(), kCells - 1);
  EXPECT_EQ(result_["dropped"], Json({{"no_nucleus", 1}}));
  for (size_t i = 0; i < static_cast<size_t>(kCells - 1); ++i) {
    const auto k = static_cast<int64_t>(i < 4 ? i : i + 1);
    EXPECT_NEAR(dataset.obs().Find("x")->floats[i], PixelAt(k).x + 1 / kPixelSize, 1e-6) << k;
    EXPECT_NEAR(dataset.obs().Find("y")->floats[i], PixelAt(k).y, 1e-6);
  }
}

// An H&E image that is turned by 90 degrees and half as fine: (x, y) of it lie at (2 y + 4, kHeight - 2 x) of the
// instrument's.
TEST_F(Xenium, PlacesAnAlignedImageByItsMatrix) {
  Bundle().Write(folder_ / "bundle");
  options_.images = (folder_ / "he.tif").string();
  options_.value_range = {};
  Image he(kHeight / 2, kWidth / 2, 3);
  for (int64_t y = 0; y < he.height; ++y)
    for (int64_t x = 0; x < he.width; ++x) {
      he.At(x, y)[0] = static_cast<uint8_t>(x);
      he.At(x, y)[1] = static_cast<uint8_t>(y);
      for (int64_t k = 0; k < kCells; ++k)
        if (std::hypot((kHeight - PixelAt(k).y) / 2 - static_cast<double>(x),
                       (PixelAt(k).x - 4) / 2 - static_cast<double>(y)) < 3)
          he.At(x, y)[2] = 0;
        else if (he.At(x, y)[2] == 0 && k == 0)
          he.At(x, y)[2] = 255;
    }
  WriteTiff(options_.images, he);
  EXPECT_EQ(Refused().name, "XENIUM_ALIGNMENT");
  WriteText(folder_ / "S_he_imagealignment.csv", fmt::format("0,2,4\n-2,0,{}\n0,0,1", kHeight));
  options_.patch_size = 8;
  options_.keep_orientation = true;
  const Dataset dataset = Prepared();
  EXPECT_NEAR(dataset.info().um_per_px, 2 * kPixelSize, 1e-12);
  ASSERT_EQ(dataset.size(), kCells);
  for (int64_t k = 0; k < kCells; ++k) {
    const auto i = static_cast<size_t>(k);
    EXPECT_NEAR(dataset.obs().Find("x")->floats[i], (kHeight - PixelAt(k).y) / 2, 1e-9);
    EXPECT_NEAR(dataset.obs().Find("y")->floats[i], (PixelAt(k).x - 4) / 2, 1e-9);
  }
  WriteText(folder_ / "S_he_imagealignment.csv", "0,0,4\n0,0,9\n0,0,1");
  fs::remove_all(folder_ / "out");
  EXPECT_EQ(Refused().name, "XENIUM_ALIGNMENT");
}

TEST_F(Xenium, RefusesWhatIsMissingUnknownOrOfAnotherBundle) {
  Bundle().Write(folder_ / "bundle");
  WriteText(In("experiment.xenium"), R"({"analysis_sw_version": "xenium-5.0.0", "pixel_size": 0.25})");
  EXPECT_EQ(Refused().name, "XENIUM_VERSION");
  WriteText(In("experiment.xenium"), R"({"analysis_sw_version": "xenium-5.0.0", "pixel_size": 0.25,
                                         "xenium_ranger": {"version": "xenium-3.0.1.1"}})");
  EXPECT_EQ(Prepared().size(), kCells);
  fs::remove_all(folder_ / "out");
  WriteText(In("experiment.xenium"), R"({"analysis_sw_version": "xenium-2.0.0"})");
  EXPECT_EQ(Refused().name, "XENIUM_SCALE");
  Bundle().Write(folder_ / "bundle");
  std::string others = "cell_id,x_centroid,y_centroid\n";
  for (int64_t k = 0; k < kCells; ++k) others += fmt::format("{},1,1\n", k);
  WriteText(In("cells.csv.gz"), others);
  const Caught caught = Refused();
  EXPECT_EQ(caught.name, "IDS_JOIN");
  EXPECT_THAT(caught.text, HasSubstr("0 of 24"));
  fs::remove(In("cells.csv.gz"));
  EXPECT_EQ(Refused().name, "XENIUM_MISSING");
  Bundle().Write(folder_ / "bundle");
  fs::remove_all(In("morphology_focus"));
  EXPECT_EQ(Refused().name, "IMAGE_MISSING");
}

}  // namespace xenium_reader_test
}  // namespace genvinci
