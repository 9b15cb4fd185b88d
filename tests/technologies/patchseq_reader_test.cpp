#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>
#include <numbers>
#include <numeric>
#include <random>

#include "../../src/technologies/morphology_image.h"
#include "genvinci/data/dataset.h"
#include "genvinci/technologies/prepare.h"
#include "testing/test_folder.h"

namespace genvinci {
namespace patchseq_reader_test {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Sum of a channel in whole px.
double AreaOf(const Image& image, int64_t channel) {
  double sum = 0;
  for (int64_t y = 0; y < image.height; ++y)
    for (int64_t x = 0; x < image.width; ++x) sum += image.At(x, y)[channel] / 255.0;
  return sum;
}

TEST(Morphology, CoversWhatTheFormulaSays) {
  // A soma of 6 um and, far from it, a straight axon and a tapering dendrite of their own, at 0.5 um a px.
  const Swc swc{{{kSwcSoma, 0, 0, 0, 6, -1},
                 {kSwcAxon, -50, 30, 0, 2, -1},
                 {kSwcAxon, 50, 40, 9, 2, 1},
                 {kSwcBasal, -50, -40, 0, 4, -1},
                 {kSwcApical, 50, -40, 0, 1, 3}},
                3};
  const MorphologyImage drawn = DrawMorphology(swc, {256, 0.5, 1, false});
  const double pi = std::numbers::pi;
  EXPECT_NEAR(AreaOf(drawn.image, 0), pi * 12 * 12, 0.01 * pi * 144);
  const double length = 2 * std::hypot(100, 10);
  EXPECT_NEAR(AreaOf(drawn.image, 1), length * 8 + pi * 16, 0.01 * length * 8);
  EXPECT_NEAR(AreaOf(drawn.image, 2), 200 * (8 + 2) + pi * (64 + 4) / 2, 0.01 * 2000);
  EXPECT_EQ(drawn.share_cut, 0);
}

TEST(Morphology, KeepsSizeAndSideAndBits) {
  Swc swc{{{kSwcSoma, 100, 200, 0, 5, -1}, {kSwcApical, 100, 230, 0, 0.01, 0}, {kSwcAxon, 130, 200, 0, 0.01, 0}}, 1};
  const MorphologyView as_is{64, 1, 1, false};
  const Image image = DrawMorphology(swc, as_is).image;
  // Thin neurites are a px wide; y counts as rows do, so that the dendrite goes down.
  EXPECT_GT(image.At(32, 50)[2], 100);
  EXPECT_EQ(image.At(32, 14)[2], 0);
  EXPECT_GT(image.At(50, 32)[1], 100);
  EXPECT_EQ(image.At(50, 32)[2], 0);
  // A neurite leaves the soma as wide as it is.
  EXPECT_EQ(image.At(35, 40)[2], 0);
  EXPECT_EQ(image.At(32, 32)[0], 255);
  const Image upright = DrawMorphology(swc, {64, 1, 1, true}).image;
  EXPECT_GT(upright.At(32, 14)[2], 100);
  EXPECT_EQ(upright.At(32, 50)[2], 0);
  // In another unit, and with its points in another order, the same bits.
  Swc other{{swc.points[1], swc.points[2], swc.points[0]}, 1};
  other.points[0].parent = other.points[1].parent = 2;
  for (SwcPoint& point : other.points)
    point = {point.type, point.x * 2, point.y * 2, point.z, point.radius * 2, point.parent};
  EXPECT_EQ(DrawMorphology(other, {64, 1, 0.5, false}).image.bytes, image.bytes);
  EXPECT_NEAR(DrawMorphology(swc, {40, 1, 1, false}).share_cut, 1, 1e-9);
}

class Patchseq : public ::testing::Test {
 protected:
  static constexpr int64_t kCells = 6;
  void SetUp() override {
    options_.input = (folder_ / "neurons").string();
    options_.common.output = (folder_ / "out").string();
    options_.patch_size = 64;
    options_.um_per_px = 1;
    options_.test_values = {"mouse_1"};
    fs::create_directories(folder_ / "neurons/excitatory");
    std::string counts, tp53 = "TP53", actb = "ACTB", epcam = "EPCAM";
    std::string metadata = "Number\tCell\tMouse\tRNA family\n";
    for (int64_t k = 0; k < kCells; ++k) {
      counts += fmt::format(",cell_{}", k);
      tp53 += fmt::format(",{}", 1 + k);
      actb += fmt::format(",{}", 10 - k);
      epcam += fmt::format(",{}", k % 2);
      const int64_t other = (k + 4) % kCells;
      metadata += fmt::format("{}\tcell_{}\tmouse_{}\t{}\n", k, other, other % 2, other < 3 ? "ET" : "IT");
      WriteText(Swc(k),
                fmt::format("# traced\n1 1 0 0 0 4 -1\n2 3 0 {} 0 1 1\n3 2 {} 0 0 1 1\n", 10 + 2 * k, -10 - 2 * k));
    }
    WriteText(folder_ / "neurons/x_exon_counts.csv.gz", counts + "\n" + tp53 + "\n" + actb + "\n" + epcam + "\n");
    WriteText(folder_ / "neurons/x_intron_counts.csv.gz", "nothing to read\n");
    WriteText(folder_ / "neurons/x_meta_data.csv", metadata);
  }
  fs::path Swc(int64_t k) const { return folder_ / "neurons/excitatory" / fmt::format("cell_{}.swc", k); }
  Dataset Prepared() {
    fs::remove_all(folder_ / "out");
    result_ = Prepare(options_);
    return Dataset::Open((folder_ / "out").string());
  }
  TestFolder folder_;
  PrepareOptions options_;
  Json result_;
};

TEST_F(Patchseq, DrawsEachCellBesideItsCounts) {
  const Dataset dataset = Prepared();
  ASSERT_EQ(dataset.size(), kCells);
  EXPECT_EQ(dataset.info().technology, "patchseq");
  EXPECT_THAT(dataset.info().channels, ElementsAre("soma", "axon", "dendrite"));
  EXPECT_EQ(dataset.info().um_per_px, 1);
  dataset.ForEachProfile([](int64_t k, std::span<const int32_t> columns, std::span<const float> counts) {
    std::vector<float> row(3, 0);
    for (size_t c = 0; c < columns.size(); ++c) row[static_cast<size_t>(columns[c])] = counts[c];
    EXPECT_THAT(row, ElementsAre(1 + k, 10 - k, k % 2));
  });
  for (int64_t k = 0; k < kCells; ++k) {
    const auto i = static_cast<size_t>(k);
    EXPECT_EQ(dataset.obs().Find("patient")->Text(i), fmt::format("mouse_{}", k % 2));
    EXPECT_EQ(dataset.obs().Find("label")->Text(i), k < 3 ? "ET" : "IT");
    const Image patch = dataset.LoadPatch(k);
    EXPECT_EQ(patch.At(32, 32)[0], 255);
    // The dendrite's end, 10 + 2 k um down; the axon's as far to the left.
    EXPECT_GT(patch.At(32, 32 + 10 + 2 * k - 1)[2], 200);
    EXPECT_EQ(patch.At(32, 32 + 10 + 2 * k + 3)[2], 0);
    EXPECT_GT(patch.At(32 - 10 - 2 * k + 1, 32)[1], 200);
  }
}

TEST_F(Patchseq, DropsAndCountsCellsThatCannotBeDrawn) {
  fs::remove(Swc(0));
  WriteText(Swc(2), "");
  EXPECT_EQ(Prepared().size(), kCells - 2);
  EXPECT_EQ(result_["dropped"], Json({{"bad_morphology", 1}, {"no_morphology", 1}}));
  for (int64_t k = 1; k < kCells; ++k) fs::rename(Swc(k), folder_ / fmt::format("neurons/excitatory/other_{}.swc", k));
  fs::remove_all(folder_ / "out");
  EXPECT_EQ(Catch([&] { Prepare(options_); }).name, "IDS_JOIN");
  fs::remove_all(folder_ / "neurons/excitatory");
  options_.technology = "patchseq";
  EXPECT_EQ(Catch([&] { Prepare(options_); }).name, "IMAGE_MISSING");
  options_.no_images = true;
  options_.patch_size = 0;
  EXPECT_EQ(Prepared().size(), kCells);
}

// Allen's tables name the sample that was sequenced and the specimen that was traced.
TEST_F(Patchseq, JoinsMorphologiesByTheirSpecimen) {
  std::string metadata = "cell_specimen_id,donor_name,transcriptomics_sample_id,T-type Label\n";
  for (int64_t k = 0; k < kCells; ++k) {
    metadata += fmt::format("{},d{},cell_{},Sst\n", 601506492 + k, k % 2, k);
    fs::rename(Swc(k), folder_ / fmt::format("neurons/excitatory/{}_upright.swc", 601506492 + k));
  }
  WriteText(folder_ / "neurons/x_meta_data.csv", metadata);
  options_.test_values = {"d1"};
  options_.orient = "upright";
  const Dataset dataset = Prepared();
  ASSERT_EQ(dataset.size(), kCells);
  EXPECT_GT(dataset.LoadPatch(0).At(32, 32 - 9)[2], 200);
}

TEST_F(Patchseq, RefusesCountsThatAreNone) {
  WriteText(folder_ / "neurons/x_exon_counts.csv.gz", ",cell_0,cell_1\nTP53,1,2.5\n");
  EXPECT_EQ(Catch([&] { Prepare(options_); }).name, "NOT_COUNTS");
  WriteText(folder_ / "neurons/x_exon_counts.csv.gz", ",cell_0,cell_0\nTP53,1,2\n");
  EXPECT_EQ(Catch([&] { Prepare(options_); }).name, "PATCHSEQ_COUNTS");
  WriteText(folder_ / "neurons/x_exon_counts.csv.gz", ",a,b\nTP53,1,2\nACTB,1,3\n");
  EXPECT_EQ(Catch([&] { Prepare(options_); }).name, "IDS_JOIN");
}

// Good and broken tracings of NeuroM's tests: each opens or is refused by name.
TEST(RealSwc, OpensOrIsRefusedByName) {
  const char* given = std::getenv("GENVINCI_REAL_DATA");
  const fs::path data = (given ? fs::path(given) : fs::path(GENVINCI_SOURCE_DIR) / ".." / "shared" / "data") /
                        "technologies/patchseq/swc_edge_cases_NeuroM";
  if (!fs::exists(data)) GTEST_SKIP() << data << " is missing: set GENVINCI_REAL_DATA";
  std::map<std::string, std::string> refused;
  int64_t opened = 0;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(data)) {
    if (entry.path().extension() != ".swc") continue;
    const std::string name = Catch([&] { DrawMorphology(ReadSwc(entry.path()), {}); }).name;
    if (name.empty())
      ++opened;
    else
      refused[entry.path().filename().string()] = name;
  }
  EXPECT_GT(opened, 40);
  for (const auto& [file, name] : refused) EXPECT_TRUE(name.starts_with("SWC_")) << file << ": " << name;
  EXPECT_EQ(refused["Neuron_missing_parents.swc"], "SWC_PARENT");
  EXPECT_EQ(refused["repeated_id.swc"], "SWC_ID");
}

}  // namespace patchseq_reader_test
}  // namespace genvinci
