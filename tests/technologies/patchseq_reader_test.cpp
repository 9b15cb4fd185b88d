#include <gmock/gmock.h>

#include <cstdlib>
#include <map>

#include "../../src/technologies/morphology_image.h"
#include "genvinci/data/dataset.h"
#include "genvinci/technologies/prepare.h"
#include "testing/test_folder.h"

namespace genvinci {
namespace patchseq_reader_test {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

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
