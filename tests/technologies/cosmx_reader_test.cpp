#include <gmock/gmock.h>

#include <cmath>
#include <cstring>

#include "genvinci/data/dataset.h"
#include "genvinci/technologies/prepare.h"
#include "genvinci/technologies/section.h"
#include "testing/test_folder.h"

namespace genvinci {
namespace cosmx_reader_test {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr int64_t kWidth = 240, kHeight = 160, kCells = 24, kFovs = 2;

// Where cell k (from 1) of an FOV lies in its image.
Point PixelOf(int64_t k) {
  return {20.0 + 25 * static_cast<double>((k - 1) % 8), 24.0 + 40 * static_cast<double>((k - 1) / 8)};
}

struct Slide {
  bool is_y_up = true;  // the lung release; else AtoMx
  bool has_mm = false;  // AtoMx's positions of FOVs
  std::string ending = ".csv";
  std::string prefix = "Lung12_";

  double LocalY(int64_t k) const { return is_y_up ? kHeight - PixelOf(k).y : PixelOf(k).y; }
  double GlobalY(int64_t k, int64_t fov) const {
    return 5000.0 * static_cast<double>(fov) + (is_y_up ? LocalY(k) : -LocalY(k));
  }

  void Write(const fs::path& folder) const {
    fs::create_directories(folder / "CellComposite");
    fs::create_directories(folder / "CellLabels");
    std::string counts = "fov,cell_ID,TP53,ACTB,EPCAM,NegPrb3,SystemControl1\n";
    std::string metadata = "fov,cell_ID,Area,CenterX_local_px,CenterY_local_px,CenterX_global_px,CenterY_global_px\n";
    std::string fovs =
        has_mm ? "FOV,x_global_px,y_global_px,x_global_mm,y_global_mm\n" : "fov,x_global_px,y_global_px\n";
    for (int64_t fov = 1; fov <= kFovs; ++fov) {
      if (is_y_up) counts += fmt::format("{},0,90,90,90,9,9\n", fov);
      for (int64_t k = 1; k <= kCells; ++k) {
        counts += fmt::format("{},{},{},{},{},7,7\n", fov, k, 1 + k % 3, 1 + (k + fov) % 5, k % 2);
        const int64_t other = 1 + (5 * k + fov) % kCells;  // rows in another order
        metadata += fmt::format("{},{},400,{},{},{},{}\n", fov, other, PixelOf(other).x, LocalY(other),
                                PixelOf(other).x, GlobalY(other, fov));
      }
      fovs += has_mm ? fmt::format("{0},0,{1},0,{2}\n", fov, 4255 * fov, 0.5119157 * static_cast<double>(fov))
                     : fmt::format("{},0,{}\n", fov, 5000 * fov);
      WriteImages(folder, fov);
    }
    WriteText(folder / (prefix + "exprMat_file" + ending), counts);
    WriteText(folder / (prefix + "metadata_file" + ending), metadata);
    WriteText(folder / (prefix + "fov_positions_file" + ending), fovs);
  }

  static void WriteImages(const fs::path& folder, int64_t fov) {
    Image image(kWidth, kHeight, 3), labels(kWidth, kHeight, 1, 16);
    for (int64_t y = 0; y < kHeight; ++y)
      for (int64_t x = 0; x < kWidth; ++x) {
        image.At(x, y)[0] = static_cast<uint8_t>(x);
        image.At(x, y)[1] = static_cast<uint8_t>(y);
        image.At(x, y)[2] = static_cast<uint8_t>(10 * fov);
        for (int64_t k = 1; k <= kCells; ++k)
          if (std::hypot(PixelOf(k).x - static_cast<double>(x), PixelOf(k).y - static_cast<double>(y)) < 8) {
            const auto label = static_cast<uint16_t>(k);
            std::memcpy(labels.At(x, y), &label, 2);
          }
      }
    WritePng(folder / fmt::format("CellComposite/CellComposite_F{:03}.png", fov), image);
    WriteTiff(folder / fmt::format("CellLabels/CellLabels_F{:03}.tif", fov), labels);
  }
};

class Cosmx : public ::testing::Test {
 protected:
  void SetUp() override {
    options_.input = Folder().string();
    options_.common.output = (folder_ / "out").string();
    options_.patch_size = 20;
    options_.split = "section";
    options_.allow_leak = true;
  }
  fs::path Folder() const { return folder_ / "Lung12/Lung12-Flat_files_and_images"; }
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
  void ExpectAllInPlace(const Dataset& dataset) {
    ASSERT_EQ(dataset.size(), kCells * kFovs);
    for (int64_t i = 0; i < dataset.size(); ++i) {
      const int64_t fov = 1 + i / kCells, k = 1 + i % kCells;
      const auto at = static_cast<size_t>(i);
      EXPECT_EQ(dataset.obs().index[at], fmt::format("Lung12_{}_{}", fov, k));
      EXPECT_EQ(dataset.obs().Find("section")->Text(at), fmt::format("Lung12_F{:03}", fov));
      EXPECT_NEAR(dataset.obs().Find("x")->floats[at], PixelOf(k).x, 1e-9);
      EXPECT_NEAR(dataset.obs().Find("y")->floats[at], PixelOf(k).y, 1e-9);
      const Image patch = ReadImage(folder_ / "out/patches" / (EscapeFileName(dataset.obs().index[at]) + ".png"));
      EXPECT_EQ(patch.At(10, 10)[0], PixelOf(k).x);
      EXPECT_EQ(patch.At(10, 10)[1], PixelOf(k).y);
      EXPECT_EQ(patch.At(10, 10)[2], 10 * fov);
    }
    dataset.ForEachProfile([](int64_t i, std::span<const int32_t> columns, std::span<const float> counts) {
      const int64_t fov = 1 + i / kCells, k = 1 + i % kCells;
      std::vector<float> row(3, 0);
      for (size_t c = 0; c < columns.size(); ++c) row[static_cast<size_t>(columns[c])] = counts[c];
      EXPECT_THAT(row, ElementsAre(1 + k % 3, 1 + (k + fov) % 5, k % 2));
    });
  }
  void Change(const std::string& file, const std::string& from, const std::string& to) {
    std::string text = ReadFile(Folder() / file);
    ASSERT_NE(text.find(from), std::string::npos);
    WriteText(Folder() / file, text.replace(text.find(from), from.size(), to));
  }

  TestFolder folder_;
  PrepareOptions options_;
  Json result_;
};

TEST_F(Cosmx, PlacesTheLungReleaseWhoseYCountsUpwards) {
  Slide().Write(Folder());
  options_.input = (folder_ / "Lung12").string();
  const Dataset dataset = Prepared();
  ExpectAllInPlace(dataset);
  EXPECT_NEAR(dataset.info().um_per_px, 0.18, 1e-9);
  EXPECT_EQ(dataset.info().technology, "cosmx");
  EXPECT_EQ(result_["dropped"], Json({{"background", kFovs}}));
  EXPECT_EQ(dataset.info().provenance["features_left_out"], Json({{"negative control", 1}, {"system control", 1}}));
}

TEST_F(Cosmx, PlacesAtomxExportsWhoseYCountsDownwards) {
  Slide slide{.is_y_up = false, .has_mm = true, .ending = ".csv.gz"};
  slide.Write(Folder());
  const Dataset dataset = Prepared();
  ExpectAllInPlace(dataset);
  EXPECT_NEAR(dataset.info().um_per_px, 0.5119157e3 / 4255, 1e-9);
}

TEST_F(Cosmx, RefusesWhatDoesNotTellTheScaleOrTheDirection) {
  Slide slide{.is_y_up = false};
  slide.Write(Folder());
  EXPECT_EQ(Refused().name, "COSMX_SCALE");
  options_.um_per_px = 0.12;
  EXPECT_NEAR(Prepared().info().um_per_px, 0.12, 1e-9);
  fs::remove_all(folder_ / "out");
  Change("Lung12_metadata_file.csv", "CenterY_global_px", "Y_global");
  EXPECT_EQ(Refused().name, "COSMX_ORIENTATION");
}

// Positions of the one release with the labels of the other.
TEST_F(Cosmx, RefusesLabelsThatContradictTheDirection) {
  Slide().Write(Folder());
  for (int64_t fov = 1; fov <= kFovs; ++fov) {
    const fs::path path = Folder() / fmt::format("CellLabels/CellLabels_F{:03}.tif", fov);
    const Image labels = ReadImage(path);
    Image flipped = labels;
    for (int64_t y = 0; y < kHeight; ++y)
      std::memcpy(flipped.At(0, y), labels.At(0, kHeight - 1 - y), static_cast<size_t>(kWidth) * 2);
    WriteTiff(path, flipped);
  }
  const Caught caught = Refused();
  EXPECT_EQ(caught.name, "COSMX_ORIENTATION");
  EXPECT_THAT(caught.text, HasSubstr("of 24 cells"));
}

TEST_F(Cosmx, DropsAndCountsCellsWithoutPlaceOrImage) {
  Slide().Write(Folder());
  fs::remove(Folder() / "CellComposite/CellComposite_F002.png");
  Change("Lung12_metadata_file.csv", "\n1,3,400,", "\n1,99,400,");
  EXPECT_EQ(Prepared().size(), kCells - 1);
  EXPECT_EQ(result_["dropped"], Json({{"background", kFovs}, {"no_image", kCells}, {"no_position", 1}}));
  fs::remove_all(Folder() / "CellComposite");
  fs::remove_all(folder_ / "out");
  EXPECT_EQ(Refused().name, "IMAGE_MISSING");
  options_.no_images = true;
  EXPECT_EQ(Prepared().size(), kCells * kFovs - 1);
}

TEST_F(Cosmx, RefusesTranscriptsInPlaceOfCellsAndOtherMixUps) {
  Slide().Write(Folder());
  fs::rename(Folder() / "Lung12_exprMat_file.csv", Folder() / "Lung12_tx_file.csv");
  EXPECT_EQ(Refused().name, "COSMX_COUNTS");
  fs::rename(Folder() / "Lung12_tx_file.csv", Folder() / "Lung12_exprMat_file.csv");
  Change("Lung12_exprMat_file.csv", "\n1,2,", "\n1,1,");
  EXPECT_EQ(Refused().name, "COSMX_COUNTS");
  Change("Lung12_exprMat_file.csv", "\n1,1,", "\n1,x,");
  EXPECT_EQ(Refused().name, "COSMX_COUNTS");
  Slide().Write(Folder());
  std::string other = "fov,cell_ID,CenterX_local_px,CenterY_local_px\n7,1,3,3\n";
  WriteText(Folder() / "Lung12_metadata_file.csv", other);
  EXPECT_EQ(Refused().name, "IDS_JOIN");
  fs::remove(Folder() / "Lung12_metadata_file.csv");
  EXPECT_EQ(Refused().name, "COSMX_METADATA");
}

TEST_F(Cosmx, TakesSeveralSlides) {
  Slide().Write(folder_ / "all/A");
  Slide().Write(folder_ / "all/B");
  options_.input = (folder_ / "all").string();
  options_.split = "obs:slide";
  options_.test_values = {"B"};
  const Dataset dataset = Prepared();
  EXPECT_EQ(dataset.size(), 2 * kCells * kFovs);
  EXPECT_EQ(dataset.Indices(Split::kTest).size(), static_cast<size_t>(kCells * kFovs));
}

}  // namespace cosmx_reader_test
}  // namespace genvinci
