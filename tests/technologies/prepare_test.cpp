#include "genvinci/technologies/prepare.h"

#include <gmock/gmock.h>

#include <chrono>
#include <cmath>
#include <map>

#include "genvinci/data/dataset.h"
#include "genvinci/technologies/st_files.h"
#include "technologies/st_fixture.h"

namespace genvinci {
namespace prepare_test {

using ::testing::HasSubstr;

class PrepareSt : public ::testing::Test {
 protected:
  void SetUp() override {
    WriteFakeSt(folder_ / "st");
    options_ = FakeOptions(folder_);
  }
  // What preparing throws; nothing may be left where the dataset would have been.
  Caught Refused() {
    const Caught caught = Catch([&] { Prepare(options_); });
    EXPECT_FALSE(fs::exists(folder_ / "out")) << caught.text;
    return caught;
  }
  Dataset Prepared() {
    result_ = Prepare(options_);
    return Dataset::Open((folder_ / "out").string());
  }
  fs::path File(const std::string& name) const { return folder_ / "st" / name; }

  TestFolder folder_;
  PrepareOptions options_;
  Json result_;
};

int64_t IndexOf(const Dataset& dataset, const std::string& name) {
  const auto& names = dataset.obs().index;
  return std::find(names.begin(), names.end(), name) - names.begin();
}

TEST_F(PrepareSt, KeepsTheUnionOfGenesAndEveryCount) {
  const Dataset dataset = Prepared();
  ASSERT_EQ(dataset.size(), 50);
  const std::vector<std::string> genes{"ENSG00000075624", "ENSG00000141510", "ENSG00000119888", "ENSG00000198851",
                                       "ENSG00000026025", "NOT_A_GENE",      "ENSG00000091831", "ENSG00000141736"};
  EXPECT_EQ(dataset.gene_names(), genes);
  dataset.ForEachProfile([&](int64_t i, std::span<const int32_t> columns, std::span<const float> counts) {
    std::vector<float> row(8, 0);
    for (size_t k = 0; k < columns.size(); ++k) row[static_cast<size_t>(columns[k])] = counts[k];
    const int64_t section = i / 25, x = i % 25 / 5, y = i % 5;
    std::vector<int64_t> expected = FakeCounts(x, y, section);
    expected.insert(expected.begin() + (section == 0 ? 7 : 6), 0);  // the other section's gene
    EXPECT_EQ(row, std::vector<float>(expected.begin(), expected.end())) << dataset.obs_name(i);
  });
  EXPECT_EQ(result_["coverage"]["matched_columns"], 7);
}

TEST_F(PrepareSt, JoinsLabelsPatientsPositionsAndProportions) {
  const Dataset dataset = Prepared();
  const int64_t i = IndexOf(dataset, "B1_3x2");
  ASSERT_LT(i, 50);
  const auto text = [&](const std::string& column) { return dataset.obs().Find(column)->Text(static_cast<size_t>(i)); };
  EXPECT_EQ(text("section"), "B1");
  EXPECT_EQ(text("patient"), "B");
  EXPECT_EQ(text("label"), "right");
  EXPECT_EQ(text("split"), "test");
  EXPECT_EQ(dataset.obs().Find("x")->floats[static_cast<size_t>(i)], 230);
  EXPECT_EQ(dataset.obs().Find("y")->floats[static_cast<size_t>(i)], 170);
  EXPECT_EQ(dataset.obs().Find("proportion:tumour")->floats[static_cast<size_t>(i)], 0.75);
  EXPECT_EQ(dataset.obs().Find("n_counts")->floats[static_cast<size_t>(i)], 13 + 22 + 4 + 6 + 1 + 2 + 7);
  EXPECT_EQ(dataset.obs().Find("n_genes")->integers[static_cast<size_t>(i)], 7);
  EXPECT_EQ(dataset.info().label_column, "label");
  EXPECT_EQ(dataset.info().proportion_columns, (std::vector<std::string>{"proportion:stroma", "proportion:tumour"}));
  EXPECT_FALSE(dataset.info().same_patient);
  EXPECT_EQ(dataset.Indices(Split::kTest).size(), 25u);
  EXPECT_EQ(dataset.Indices(Split::kTrain).size(), 25u);
}

TEST_F(PrepareSt, CutsThePatchAroundTheSpot) {
  const Dataset dataset = Prepared();
  const Image patch = dataset.LoadPatch(IndexOf(dataset, "A1_2x4"));  // centre (170, 290), from (150, 270)
  ASSERT_EQ(patch.width, 40);
  for (const int64_t at : {0, 13, 39}) {
    EXPECT_EQ(patch.At(at, 0)[0], (150 + at) / 2);
    EXPECT_EQ(patch.At(0, at)[1], (270 + at) / 2);
  }
  const Image overlay = ReadImage(folder_ / "out" / "registration" / "A1.png");
  EXPECT_EQ(overlay.width, 400);
  EXPECT_EQ(std::vector<int>(overlay.At(290, 290), overlay.At(290, 290) + 3),
            (std::vector<int>{0, 170, 70}));  // a centre of the training part
}

TEST_F(PrepareSt, StoresPatchesAtTheAskedSizeByArea) {
  options_.img_size = 20;
  const Dataset dataset = Prepared();
  const Image patch = dataset.LoadPatch(IndexOf(dataset, "A1_2x4"));
  ASSERT_EQ(patch.width, 20);
  for (const int64_t at : {0, 7, 19}) EXPECT_EQ(patch.At(at, 3)[0], 75 + at);  // mean of two equal columns
  EXPECT_EQ(dataset.info().patch_size, 40);
  EXPECT_EQ(dataset.info().img_size, 20);
  EXPECT_NEAR(dataset.info().um_per_px, 200.0 / 60 * 2, 1e-9);
}

TEST_F(PrepareSt, PatchSizeComesFromThePitchOrFromMicrons) {
  options_.patch_size = 0;
  options_.test_values = {"B1"};
  EXPECT_EQ(Prepared().info().patch_size, 60);
  fs::remove_all(folder_ / "out");
  options_.patch_um = 100;  // 200 um are 60 px
  EXPECT_EQ(Prepared().info().patch_size, 30);
  fs::remove_all(folder_ / "out");
  options_.um_per_px = 2;
  EXPECT_EQ(Prepared().info().patch_size, 50);
  fs::remove_all(folder_ / "out");
  options_.patch_size = 40;
  EXPECT_EQ(Refused().name, "PATCH_SIZE");
}

TEST_F(PrepareSt, CountsWhatIsDropped) {
  options_.patch_size = 104;  // the outer spots are 50 px from the border
  options_.split = "section";
  Prepared();
  EXPECT_EQ(result_["dropped"]["outside_image"], 2 * 9);  // x = 0 or y = 0; the far side has 110 px
  EXPECT_EQ(result_["observations"], 32);
  fs::remove_all(folder_ / "out");
  options_.patch_size = 40;
  options_.min_counts = 46;  // 10 + x + 20 + y + 3 + x * y + 1 + 2 + 7 + section = 43 + ...
  Prepared();
  int64_t below = 0;
  for (int64_t s = 0; s < 2; ++s)
    for (int64_t x = 0; x < 5; ++x)
      for (int64_t y = 0; y < 5; ++y) below += 43 + x + y + x * y + s < 46;
  EXPECT_EQ(result_["dropped"]["min_counts"], below);
  fs::remove_all(folder_ / "out");
  options_.min_counts = 0;
  options_.min_genes = 7;  // x * y = 0 makes one gene fewer
  Prepared();
  EXPECT_EQ(result_["dropped"]["min_genes"], 18);
}

TEST_F(PrepareSt, LeavesOutSpotsThatAreNotSelected) {
  std::string selection =
      "x\ty\tpixel_x\tpixel_y\tselected\n0\t0\t50\t50\t1\n0\t1\t50\t110\t0\n7\t7\t60\t60\t1\n1\t0\t110\t50\t1\n";
  WriteText(File("A1_selection.tsv"), selection);
  const Dataset dataset = Prepared();
  EXPECT_EQ(dataset.size(), 27);
  EXPECT_EQ(result_["dropped"]["not_selected"], 1);
  EXPECT_EQ(result_["dropped"]["no_position"], 22);
}

TEST_F(PrepareSt, TakesUnderscoreRowsGzippedSelectionsAndSiblingImages) {
  fs::create_directories(folder_ / "my_images");
  fs::rename(File("A1.png"), folder_ / "my_images" / "A1.png");
  WriteText(File("A1.tsv"), "gene\tACTB\n0_0\t5\n1_0\t6\n");
  fs::remove(File("A1.tsv.gz"));
  std::string selection;
  fs::remove(File("A1_selection.tsv"));
  WriteText(File("A1_selection.tsv.gz"), "x\ty\tpixel_x\tpixel_y\n0\t0\t50\t50\n1\t0\t110\t50\n");
  const Dataset dataset = Prepared();
  EXPECT_EQ(dataset.obs_name(1), "A1_1_0");
  EXPECT_EQ(dataset.size(), 27);
}

TEST_F(PrepareSt, WithoutImagesItIsForPretraining) {
  fs::remove(File("A1.png"));
  const Caught caught = Refused();
  EXPECT_EQ(caught.name, "IMAGE_MISSING");
  EXPECT_EQ(caught.code, ExitCode::kMissingFile);
  EXPECT_THAT(caught.text, HasSubstr("A1"));
  EXPECT_THAT(caught.text, HasSubstr("--no_images"));
  options_.no_images = true;
  fs::remove(File("A1_selection.tsv"));  // blocks are then made on the array
  options_.test_values.clear();
  options_.val_fraction = 0.3;
  options_.block_size = 2;
  const Dataset dataset = Prepared();
  EXPECT_FALSE(dataset.has_images());
  EXPECT_FALSE(fs::exists(folder_ / "out" / "patches"));
  EXPECT_NEAR(static_cast<double>(dataset.Indices(Split::kVal).size()), 15, 3);
  EXPECT_EQ(Catch([&] { dataset.PatchPath(0); }).name, "DATASET_NO_IMAGES");
  fs::remove_all(folder_ / "out");
  options_.no_images = false;
  WritePng(File("A1.png"), FakeSectionImage());
  EXPECT_EQ(Refused().name, "SELECTION_MISSING");
}

TEST_F(PrepareSt, OverlappingPatchesAcrossTheSplitAreRefused) {
  // Left and right halves by label: at 70 px the patches of neighbouring spots share 10 px.
  options_.split = "obs:label";
  options_.test_values = {"right"};
  options_.patch_size = 60;
  Prepared();
  fs::remove_all(folder_ / "out");
  options_.patch_size = 70;
  const Caught caught = Refused();
  EXPECT_EQ(caught.name, "SPLIT_LEAK");
  EXPECT_EQ(caught.code, ExitCode::kBadData);
  EXPECT_THAT(caught.text, HasSubstr("overlap"));
  options_.allow_leak = true;
  const Dataset dataset = Prepared();
  EXPECT_TRUE(dataset.info().leak_report["allowed"].get<bool>());
  EXPECT_EQ(dataset.info().leak_report["overlapping_patch_pairs"],
            2 * (5 + 8));  // beside and diagonal, in each section
  EXPECT_TRUE(dataset.info().same_patient);
}

TEST_F(PrepareSt, RepeatedProfilesAcrossTheSplitAreRefused) {
  // Section B1 becomes a copy of A1 in all but its name.
  WriteFakeSection(folder_ / "st", "B1", 0);
  const Caught caught = Refused();
  EXPECT_EQ(caught.name, "SPLIT_LEAK");
  EXPECT_THAT(caught.text, HasSubstr("25 profiles repeat"));
  EXPECT_THAT(caught.text, HasSubstr("A1_0x0 (train) and B1_0x0 (test)"));
  options_.allow_leak = true;
  EXPECT_EQ(Prepared().info().leak_report["repeated_profiles"], 25);
}

TEST_F(PrepareSt, BlocksThatAreHeldOutGetACleanBorder) {
  options_.patch_size = 70;
  options_.test_values = {"B1"};
  options_.val_fraction = 0.3;
  options_.block_size = 120;
  const Dataset dataset = Prepared();
  EXPECT_GT(result_["dropped"]["block_border"].get<int64_t>(), 0);
  EXPECT_EQ(dataset.info().leak_report["overlapping_patch_pairs"], 0);
  EXPECT_GT(dataset.Indices(Split::kVal).size(), 0u);
}

TEST_F(PrepareSt, AnOutputThatIsThereIsKept) {
  Prepared();
  const std::string before = ReadFile(folder_ / "out" / "dataset.json");
  const Caught caught = Catch([&] { Prepare(options_); });
  EXPECT_EQ(caught.code, ExitCode::kWouldOverwrite);
  EXPECT_EQ(ReadFile(folder_ / "out" / "dataset.json"), before);
}

TEST_F(PrepareSt, BadInputIsToldByFileAndLine) {
  const std::string packed = ReadFile(File("A1.tsv.gz"));
  const std::string good = Gunzip(std::as_bytes(std::span(packed)), "A1");
  const auto with_counts = [&](const std::string& text) {
    WriteText(File("A1.tsv.gz"), text);
    return Refused();
  };
  const std::string header = "\tACTB\tTP53\n";
  EXPECT_EQ(with_counts(header + "0x0\t1\t1.5\n").name, "ST_COUNT");
  EXPECT_EQ(with_counts(header + "0x0\t1\t-1\n").name, "ST_COUNT");
  EXPECT_EQ(with_counts(header + "spot\t1\t1\n").name, "ST_ROW_NAME");
  EXPECT_EQ(with_counts(header + "0x0\t1\t1\n0x0\t1\t1\n").name, "ST_DUPLICATE");
  EXPECT_EQ(with_counts(header).name, "ST_EMPTY");
  EXPECT_EQ(with_counts("").name, "TABLE_EMPTY");
  EXPECT_EQ(with_counts(header + "90x90\t1\t1\n").name, "ST_NO_SPOT");
  const Caught count = with_counts(header + "0x0\t1\t1\n1x1\t1\t0.2\n");
  EXPECT_THAT(count.text, HasSubstr("line 3"));
  EXPECT_THAT(count.text, HasSubstr("TP53"));
  WriteText(File("A1.tsv.gz"), good);
  options_.min_counts = 1e6;
  EXPECT_EQ(Refused().name, "NO_OBSERVATIONS");
  options_.min_counts = 0;
  options_.sections = {"A2"};
  const Caught section = Refused();
  EXPECT_EQ(section.name, "ST_SECTION");
  EXPECT_THAT(section.text, HasSubstr("A1, B1"));
  options_.input = (folder_ / "nowhere").string();
  EXPECT_EQ(Refused().code, ExitCode::kMissingFile);
}

TEST_F(PrepareSt, TwoRowsOfOnePositionAreRefusedEverywhere) {
  WriteText(File("A1_selection.tsv"), "x\ty\tpixel_x\tpixel_y\n0\t0\t50\t50\n0\t0\t51\t50\n");
  EXPECT_EQ(Refused().name, "ST_DUPLICATE");
  WriteFakeSt(folder_ / "st");
  WriteText(File("A1-proportion.tsv"), "\ttumour\n0x0\t1\n0x0\t1\n");
  EXPECT_EQ(Refused().name, "ST_DUPLICATE");
  WriteFakeSt(folder_ / "st");
  WriteText(File("A1-cluster-annotation.tsv.gz"), "x\ty\tlabel\n0\t0\ta\n0\t0\tb\n");
  EXPECT_EQ(Refused().name, "ST_DUPLICATE");
}

TEST_F(PrepareSt, GenesOfAnotherKindAreRefused) {
  for (const std::string name : {"A1", "B1"})
    WriteText(File(name + ".tsv.gz"), "\tq1\tq2\tq3\n0x0\t1\t1\t2\n1x0\t2\t1\t1\n");
  EXPECT_EQ(Refused().name, "GENES_UNMATCHED");
}

TEST_F(PrepareSt, ASpotWithoutAKnownGeneIsDropped) {
  WriteText(File("A1.tsv.gz"), "\tACTB\tNOT_A_GENE\n0x0\t0\t4\n1x0\t2\t1\n2x0\t0\t0\n3x0\t5\t0\n");
  Prepared();
  EXPECT_EQ(result_["dropped"]["no_known_gene"], 1);
  EXPECT_EQ(result_["dropped"]["no_counts"], 1);
}

TEST(StFiles, PositionsAndPatients) {
  EXPECT_EQ(ParseStPosition("10x21"), (StPosition{10, 21}));
  EXPECT_EQ(ParseStPosition("10_21"), (StPosition{10, 21}));
  EXPECT_EQ(ParseStPosition("9.98x21.04"), (StPosition{10, 21}));
  for (const char* bad : {"", "x", "10x", "ax3", "10", "1x2x3", "1e9x2"}) EXPECT_FALSE(ParseStPosition(bad)) << bad;
  EXPECT_EQ(StPatient("C2"), "C");
  EXPECT_EQ(StPatient("AB12"), "AB");
  EXPECT_EQ(StPatient("12"), "12");
}

fs::path RealData() {
  const char* given = std::getenv("GENVINCI_REAL_DATA");
  return given ? fs::path(given) : fs::path(GENVINCI_SOURCE_DIR) / ".." / "shared" / "data";
}

TEST(RealHer2st, TwoSectionsOfOnePatient) {
  const fs::path input = RealData() / "her2st";
  if (!fs::exists(input)) GTEST_SKIP() << input << " is missing: set GENVINCI_REAL_DATA";
  TestFolder folder;
  PrepareOptions options;
  options.input = input.string();
  options.common.output = (folder / "her2st").string();
  options.sections = {"C2", "C3"};
  options.test_values = {"C3"};
  options.patch_size = 224;
  options.img_size = 64;
  const auto start = std::chrono::steady_clock::now();
  Prepare(options);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20));
  const Dataset dataset = Dataset::Open(options.common.output);
  // 187 and 180 rows of counts, as the tables have.
  EXPECT_EQ(dataset.Indices(Split::kTrain).size(), 187u);
  EXPECT_EQ(dataset.Indices(Split::kTest).size(), 180u);
  EXPECT_TRUE(dataset.info().same_patient);
  EXPECT_EQ(dataset.info().leak_report["overlapping_patch_pairs"], 0);
  EXPECT_NEAR(dataset.info().um_per_px, 200.0 / 290 * 224 / 64, 0.1);
  EXPECT_EQ(dataset.info().proportion_columns.size(), 8u);
  const Image patch = dataset.LoadPatch(0);
  EXPECT_EQ(patch.width, 64);
  EXPECT_EQ(patch.channels, 3);
}

}  // namespace prepare_test
}  // namespace genvinci
