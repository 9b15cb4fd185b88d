#include "genvinci/data/dataset.h"

#include <gmock/gmock.h>

#include "data/st_fixture.h"
#include "genvinci/data/prepare.h"
#include "genvinci/data/section_reader.h"

namespace genvinci {
namespace {

using ::testing::HasSubstr;

// An h5ad with integer X-like counts times `factor`, a layer-free file.
void WriteFakeH5ad(const fs::path& path, const std::vector<std::string>& names, float factor, bool with_spatial) {
  DataFrame obs, var;
  obs.index = names;
  std::vector<std::string> donors;
  for (size_t i = 0; i < names.size(); ++i) donors.push_back(i % 2 ? "D1" : "D2");
  obs.Set("donor_id", FrameColumn::Categorical(donors));
  obs.Set("score", FrameColumn::Floats(std::vector<double>(names.size(), 0.5)));
  var.index = {"ACTB", "TP53", "EPCAM"};
  var.Set("ensg_id", FrameColumn::Strings({"ENSG00000075624", "ENSG00000141510", "ENSG00000119888"}));
  H5adWriter writer(path, obs, var);
  if (with_spatial) {
    DenseArray spatial{static_cast<int64_t>(names.size()), 2, {}};
    for (size_t i = 0; i < names.size(); ++i)
      spatial.values.insert(spatial.values.end(), {10.0 * static_cast<double>(i), 100});
    writer.SetObsm("spatial", spatial);
  }
  DenseArray embedding{static_cast<int64_t>(names.size()), 1, {}};
  for (size_t i = 0; i < names.size(); ++i) embedding.values.push_back(static_cast<double>(i));
  writer.SetObsm("X_scgpt", embedding);
  for (size_t i = 0; i < names.size(); ++i)
    writer.AppendDense(std::vector<float>{factor, static_cast<float>(i) * factor, 2 * factor});
  writer.Finish();
}

void WritePatch(const fs::path& path, uint8_t value, int64_t side = 16) {
  Image image(side, side, 3);
  std::fill(image.bytes.begin(), image.bytes.end(), value);
  WritePng(path, image);
}

PrepareOptions H5adOptions(const TestFolder& folder) {
  PrepareOptions options;
  options.technology = "h5ad";
  options.input = (folder / "cells.h5ad").string();
  options.common.output = (folder / "out").string();
  options.split = "obs:donor_id";
  options.test_values = {"D1"};
  return options;
}

const std::vector<std::string> kNames = {"a", "b", "c/1", "d"};

void WriteCells(const TestFolder& folder) {
  WriteFakeH5ad(folder / "cells.h5ad", kNames, 1, /*with_spatial=*/false);
  fs::create_directories(folder / "images");
  for (size_t i = 0; i < kNames.size(); ++i)
    WritePatch(folder / "images" / (EscapeFileName(kNames[i]) + ".png"), static_cast<uint8_t>(10 * i));
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

TEST(PrepareH5ad, ValuesThatAreNoCountsAreRefused) {
  TestFolder folder;
  WriteCells(folder);
  WriteFakeH5ad(folder / "cells.h5ad", kNames, 0.5F, /*with_spatial=*/false);
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
  WriteFakeH5ad(folder / "cells.h5ad", kNames, 1, /*with_spatial=*/true);  // 10 px apart, patches of 16
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

TEST(Dataset, OpensTheReferenceLayoutWithItsSplit) {
  TestFolder folder;
  const std::vector<std::string> names{"BC23377_C1_1", "BC23000_C1_1", "BC23377_C1_2", "BC24000_D1_5"};
  for (const std::string name : {"he_st", "other"}) {
    fs::create_directories(folder / name / "spot_224");
    WriteFakeH5ad(folder / name / "demo.h5ad", names, 1, /*with_spatial=*/false);
    for (const std::string& spot : names) WriteJpeg(folder / name / "spot_224" / (spot + ".jpg"), Image(224, 224, 3));
  }
  const Dataset dataset = Dataset::Open((folder / "he_st").string());
  EXPECT_EQ(dataset.info().name, "he_st");
  EXPECT_EQ(dataset.Indices(Split::kTrain), (std::vector<int64_t>{1, 3}));
  EXPECT_EQ(dataset.Indices(Split::kVal), (std::vector<int64_t>{0, 2}));
  EXPECT_EQ(dataset.Indices(Split::kTest), (std::vector<int64_t>{0, 2}));
  EXPECT_EQ(dataset.LoadPatch(2).width, 224);
  EXPECT_EQ(Dataset::Open((folder / "other").string()).Indices(Split::kTrain).size(), 4u);
}

TEST(Dataset, MissingPiecesAreNamed) {
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

TEST(Dataset, TheFingerprintFollowsTheFiles) {
  TestFolder folder;
  WriteCells(folder);
  Prepare(H5adOptions(folder));
  const std::string path = (folder / "out").string();
  const std::string before = Dataset::Open(path).fingerprint();
  EXPECT_EQ(before.size(), 64u);
  fs::create_directories(folder / "out" / "cache");  // what others keep there does not count
  EXPECT_EQ(Dataset::Open(path).fingerprint(), before);
  WritePng(folder / "out" / "patches" / "a.png", Image(16, 16, 3));
  EXPECT_NE(Dataset::Open(path).fingerprint(), before);
}

TEST(PrepareVirtual, HoldsOutThePatientWithUnseenMixtures) {
  TestFolder folder;
  PrepareOptions options;
  options.technology = "virtual";
  options.common.output = (folder / "out").string();
  options.spots = 48;
  options.img_size = 32;
  Prepare(options);
  const Dataset dataset = Dataset::Open((folder / "out").string());
  EXPECT_EQ(dataset.size(), 48);
  EXPECT_EQ(dataset.info().split_kind, "patient");
  EXPECT_FALSE(dataset.info().same_patient);
  EXPECT_EQ(dataset.LoadPatch(0).width, 32);
  const FrameColumn* unseen = dataset.obs().Find("unseen_mixture");
  ASSERT_NE(unseen, nullptr);
  int64_t in_test = 0;
  for (const int64_t i : dataset.Indices(Split::kTrain)) EXPECT_EQ(unseen->integers[static_cast<size_t>(i)], 0);
  for (const int64_t i : dataset.Indices(Split::kTest)) in_test += unseen->integers[static_cast<size_t>(i)];
  EXPECT_GT(in_test, 0);
  EXPECT_EQ(dataset.Indices(Split::kTest).size(), 8u);
  EXPECT_EQ(dataset.Indices(Split::kVal).size(), 8u);
  double sum = 0;
  for (const std::string& column : dataset.info().proportion_columns) sum += dataset.obs().Find(column)->floats[5];
  EXPECT_NEAR(sum, 1, 1e-6);
}

}  // namespace
}  // namespace genvinci
