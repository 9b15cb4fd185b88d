#include <gmock/gmock.h>

#include <cmath>

#include "genvinci/core/sha256.h"
#include "genvinci/data/dataset.h"
#include "genvinci/technologies/prepare.h"
#include "genvinci/technologies/section_reader.h"
#include "testing/h5ad_fixture.h"

namespace genvinci {
namespace h5ad_reader_test {

using ::testing::HasSubstr;

PrepareOptions H5adOptions(const TestFolder& folder) {
  PrepareOptions options;
  options.technology = "h5ad";
  options.input = (folder / "cells.h5ad").string();
  options.common.output = (folder / "out").string();
  options.split = "obs:donor_id";
  options.test_values = {"D1"};
  return options;
}

TEST(PrepareH5ad, JoinsImagesByNameAndKeepsColumns) {
  TestFolder folder;
  WriteCells(folder);
  Prepare(H5adOptions(folder));
  const Dataset dataset = Dataset::Open((folder / "out").string());
  ASSERT_EQ(dataset.size(), 4);
  for (int64_t i = 0; i < 4; ++i) EXPECT_EQ(dataset.LoadPatch(i).bytes[5], 10 * i);
  EXPECT_EQ(dataset.obs().Find("score")->floats[0], 0.5);
  EXPECT_EQ(dataset.obs().Find("patient")->Text(0), "D2");
  EXPECT_EQ(dataset.Indices(Split::kTest), (std::vector<int64_t>{1, 3}));
  EXPECT_EQ(dataset.gene_names()[1], "ENSG00000141510");
  EXPECT_FALSE(dataset.info().same_patient);
}

TEST(PrepareH5ad, DropsObservationsWithoutImageAndRefusesStrangers) {
  TestFolder folder;
  WriteCells(folder);
  fs::remove(folder / "images" / "b.png");
  EXPECT_EQ(Prepare(H5adOptions(folder))["dropped"]["no_image"], 1);
  // Embeddings go with the observations that are kept.
  EXPECT_EQ(Dataset::Open((folder / "out").string()).Obsm("X_scgpt").values, (std::vector<double>{0, 2, 3}));
  fs::remove_all(folder / "out");
  fs::remove_all(folder / "images");
  fs::create_directories(folder / "images");
  WritePatch(folder / "images" / "zz.png", 1);
  const Caught caught = Catch([&] { Prepare(H5adOptions(folder)); });
  EXPECT_EQ(caught.name, "IMAGE_MISSING");
  EXPECT_THAT(caught.text, HasSubstr("zz.png"));
  fs::remove_all(folder / "images");
  EXPECT_EQ(Catch([&] { Prepare(H5adOptions(folder)); }).code, ExitCode::kMissingFile);
  PrepareOptions options = H5adOptions(folder);
  options.no_images = true;
  EXPECT_EQ(Prepare(options)["observations"], 4);
}

// Cells of a MERFISH deposit: positions in um as obs columns or an array, an image of the section, and the matrix that
// maps the one to the other.
class H5adOnImage : public ::testing::Test {
 protected:
  static constexpr int64_t kCells = 24;
  static Point PixelOf(int64_t k) {
    return {30.0 + 24 * static_cast<double>(k % 8), 30.0 + 40 * static_cast<double>(k / 8)};
  }
  void SetUp() override {
    options_.input = (folder_ / "merfish.h5ad").string();
    options_.images = (folder_ / "dapi.tif").string();
    options_.image_alignment = (folder_ / "matrix.csv").string();
    options_.common.output = (folder_ / "out").string();
    options_.patch_size = 16;
    options_.allow_leak = true;
    WriteText(options_.image_alignment, "4 0 2\n0 4 -6\n0 0 1\n");
    Image image(240, 150, 1);
    for (int64_t y = 0; y < 150; ++y)
      for (int64_t x = 0; x < 240; ++x) {
        image.At(x, y)[0] = static_cast<uint8_t>((x + y) / 8);
        for (int64_t k = 0; k < kCells; ++k)
          if (std::hypot(PixelOf(k).x - static_cast<double>(x), PixelOf(k).y - static_cast<double>(y)) < 6)
            image.At(x, y)[0] = 200;
      }
    WriteTiff(options_.images, image);
  }
  // `as`: "obs" or the array's name.
  void Write(const std::string& as) const {
    DataFrame obs;
    std::vector<double> xs, ys;
    DenseArray array{kCells, 2, {}};
    for (int64_t k = 0; k < kCells; ++k) {
      obs.index.push_back("cell_" + std::to_string(k));
      xs.push_back((PixelOf(k).x - 2) / 4);
      ys.push_back((PixelOf(k).y + 6) / 4);
      array.values.insert(array.values.end(), {xs.back(), ys.back()});
    }
    if (as == "obs") {
      obs.Set("x", FrameColumn::Floats(xs));
      obs.Set("y", FrameColumn::Floats(ys));
    }
    H5adWriter writer(options_.input, obs, {{"TP53", "ACTB"}, {}});
    if (as != "obs" && !as.empty()) writer.SetObsm(as, array);
    for (int64_t k = 0; k < kCells; ++k) writer.AppendDense(std::vector<float>{static_cast<float>(1 + k), 2});
    writer.Finish();
  }
  TestFolder folder_;
  PrepareOptions options_;
};

TEST_F(H5adOnImage, CutsPatchesAroundPositionsOfEveryName) {
  for (const char* as : {"obs", "spatial", "X_spatial"}) {
    Write(as);
    fs::remove_all(folder_ / "out");
    Prepare(options_);
    const Dataset dataset = Dataset::Open((folder_ / "out").string());
    ASSERT_EQ(dataset.size(), kCells) << as;
    EXPECT_EQ(dataset.info().um_per_px, 0.25);
    for (int64_t k = 0; k < kCells; ++k) {
      EXPECT_NEAR(dataset.obs().Find("x")->floats[static_cast<size_t>(k)], PixelOf(k).x, 1e-6);
      EXPECT_NEAR(dataset.obs().Find("y")->floats[static_cast<size_t>(k)], PixelOf(k).y, 1e-6);
      EXPECT_EQ(dataset.LoadPatch(k).At(8, 8)[0], 200);
    }
  }
}

TEST_F(H5adOnImage, RefusesPositionsThatAreNotThereOrElsewhere) {
  Write("");
  EXPECT_EQ(Catch([&] { Prepare(options_); }).name, "H5AD_SPATIAL");
  Write("obs");
  WriteText(options_.image_alignment, "40 0 2000\n0 40 0\n0 0 1\n");
  EXPECT_EQ(Catch([&] { Prepare(options_); }).name, "PLACEMENT_OUTSIDE");
  WriteText(options_.image_alignment, "4 0 2\n0 4\n");
  EXPECT_EQ(Catch([&] { Prepare(options_); }).name, "H5AD_ALIGNMENT");
}

TEST(PrepareH5ad, ValuesThatAreNoCountsAreRefused) {
  TestFolder folder;
  WriteCells(folder);
  WriteFakeH5ad(folder / "cells.h5ad", kCellNames, 0.5F, /*with_spatial=*/false);
  const Caught caught = Catch([&] { Prepare(H5adOptions(folder)); });
  EXPECT_EQ(caught.name, "LAYER_NOT_COUNTS");
  EXPECT_EQ(caught.code, ExitCode::kBadData);
  PrepareOptions options = H5adOptions(folder);
  options.layer = "counts";
  EXPECT_EQ(Catch([&] { Prepare(options); }).name, "LAYER_MISSING");
}

TEST(PrepareH5ad, NamesTheMatricesThatHoldCounts) {
  PrepareOptions options;
  options.input = (fs::path(GENVINCI_SOURCE_DIR) / "tests/io/data/csr.h5ad").string();  // scripts/golden/h5ad.py
  options.no_images = true;
  options.layer = "log";
  const auto reader = OpenH5adReader(options);
  const Caught caught = Catch([&] { reader->ForEachBatch([](const SparseRows&) {}); });
  EXPECT_EQ(caught.name, "LAYER_NOT_COUNTS");
  EXPECT_THAT(caught.text, HasSubstr("X, raw, counts"));
}

TEST(PrepareH5ad, PositionsTellOverlaps) {
  TestFolder folder;
  WriteCells(folder);
  WriteFakeH5ad(folder / "cells.h5ad", kCellNames, 1, /*with_spatial=*/true);  // 10 px apart, patches of 16
  EXPECT_EQ(Catch([&] { Prepare(H5adOptions(folder)); }).name, "SPLIT_LEAK");
  PrepareOptions options = H5adOptions(folder);
  options.patch_size = 10;
  options.img_size = 8;
  Prepare(options);
  EXPECT_EQ(Dataset::Open((folder / "out").string()).LoadPatch(1).width, 8);
}

TEST(PrepareH5ad, PatchesOfSeveralSizesNeedOneToStore) {
  TestFolder folder;
  WriteCells(folder);
  WritePatch(folder / "images" / "d.png", 7, 20);
  EXPECT_EQ(Catch([&] { Prepare(H5adOptions(folder)); }).name, "PATCH_SHAPE");
  PrepareOptions options = H5adOptions(folder);
  options.img_size = 16;
  Prepare(options);
  EXPECT_EQ(Dataset::Open((folder / "out").string()).LoadPatch(3).bytes[0], 7);
}

TEST(PreparedDataset, MissingPiecesAreNamed) {
  TestFolder folder;
  WriteCells(folder);
  Prepare(H5adOptions(folder));
  const std::string path = (folder / "out").string();
  const auto open = [&] { Dataset::Open(path); };
  const fs::path patch = folder / "out" / "patches" / "b.png";
  const std::string bytes = ReadFile(patch);
  fs::remove(patch);
  const Caught caught = Catch(open);
  EXPECT_EQ(caught.name, "DATASET_PATCH");
  EXPECT_THAT(caught.text, HasSubstr("'b'"));
  WritePatch(patch, 1, 12);
  const Caught size = Catch([&] { Dataset::Open(path).LoadPatch(1); });
  EXPECT_EQ(size.name, "PATCH_SIZE");
  EXPECT_THAT(size.text, HasSubstr("'b'"));
  WritePng(patch, Image(16, 16, 1));
  EXPECT_EQ(Catch([&] { Dataset::Open(path).LoadPatch(1); }).name, "PATCH_CHANNELS");
  Json info = ReadJson(folder / "out" / "dataset.json");
  info.erase("img_size");
  WriteJson(folder / "out" / "dataset.json", info);
  EXPECT_EQ(Catch(open).name, "DATASET_FIELD");
  fs::remove(folder / "out" / "dataset.json");
  EXPECT_EQ(Catch(open).code, ExitCode::kMissingFile);
}

TEST(PreparedDataset, TheFingerprintFollowsWhatTheFilesHold) {
  TestFolder folder;
  WriteCells(folder);
  Prepare(H5adOptions(folder));
  const std::string path = (folder / "out").string();
  const Dataset dataset = Dataset::Open(path);
  const std::string before = dataset.fingerprint();
  EXPECT_EQ(before.size(), 64u);
  ASSERT_TRUE(dataset.info().content.has_value());
  EXPECT_EQ(dataset.info().content->expression, Sha256OfFile(folder / "out/expression.h5ad"));
  EXPECT_EQ(dataset.content(), *dataset.info().content);

  fs::copy(folder / "out", folder / "copy", fs::copy_options::recursive);
  fs::remove_all(folder / "copy/cache");
  fs::last_write_time(folder / "copy/patches/a.png", fs::file_time_type::clock::now() - std::chrono::hours(9));
  EXPECT_EQ(Dataset::Open((folder / "copy").string()).fingerprint(), before);
  EXPECT_NE(Dataset::Open((folder / "copy").string()).earlier_fingerprint(), dataset.earlier_fingerprint());

  WritePatch(folder / "out/patches/a.png", 99);
  EXPECT_NE(Dataset::Open(path).fingerprint(), before);
}

}  // namespace h5ad_reader_test
}  // namespace genvinci
