#include <gmock/gmock.h>

#include <cstdlib>
#include <map>

#include "../../src/technologies/morphology_image.h"
#include "genvinci/data/dataset.h"
#include "genvinci/technologies/prepare.h"
#include "genvinci/technologies/section_reader.h"
#include "testing/test_folder.h"

namespace genvinci {
namespace patchseq_reader_test {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

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

TEST_F(Patchseq, TakesTheMetadataThatHaveTheCells) {
  WriteText(folder_ / "neurons/a_meta_data.csv", "Cell\tMouse\nother_1\tmouse_9\nother_2\tmouse_8\n");
  WriteText(folder_ / "neurons/b_meta_data.csv", "Notes\nnone\n");
  EXPECT_EQ(Prepared().obs().Find("patient")->Text(3), "mouse_1");
}

TEST_F(Patchseq, LeavesOutWhatTheAuthorsTookBack) {
  for (const bool is_scala : {true, false}) {
    const std::string wrong = "20171207_sample_1", animal = is_scala ? "Mouse" : "donor_id";
    WriteText(folder_ / "neurons/x_exon_counts.csv.gz",
              ",cell_0,cell_1,cell_2," + wrong + "\nTP53,1,2,3,4\nACTB,4,3,2,1\nEPCAM,1,1,0,1\n");
    WriteText(folder_ / "neurons/x_meta_data.csv", "Cell\t" + animal + "\tRNA family\ncell_0\tmouse_0\tET\ncell_1\t" +
                                                       "mouse_1\tET\ncell_2\tmouse_0\tIT\n" + wrong +
                                                       "\tmouse_0\tET\n");
    fs::copy_file(Swc(0), folder_ / ("neurons/excitatory/" + wrong + ".swc"), fs::copy_options::overwrite_existing);
    EXPECT_EQ(Prepared().size(), is_scala ? 3 : 4);
  }
}

TEST_F(Patchseq, RefusesTracingsThatAreAllBroken) {
  for (int64_t k = 0; k < kCells; ++k) WriteText(Swc(k), "1 1 0 0 0 -4 -1\n");
  const Caught caught = Catch([&] { Prepare(options_); });
  EXPECT_EQ(caught.name, "MORPHOLOGY_NONE");
  EXPECT_THAT(caught.text, HasSubstr("line 1: a radius of -4"));
}

TEST_F(Patchseq, RefusesTwoTracingsOfOneCell) {
  fs::create_directories(folder_ / "neurons/inhibitory");
  fs::copy_file(Swc(1), folder_ / "neurons/inhibitory/cell_1.swc");
  const Caught caught = Catch([&] { Prepare(options_); });
  EXPECT_EQ(caught.name, "FILE_AMBIGUOUS");
  EXPECT_THAT(caught.text, HasSubstr("excitatory/cell_1.swc: "));
  options_.images = (folder_ / "neurons/excitatory").string();
  EXPECT_EQ(Prepared().size(), kCells);
}

// Of a cell that is there both ways, the file whose y counts as --orient says.
TEST_F(Patchseq, TakesTheTracingOfTheAskedOrientation) {
  WriteText(folder_ / "neurons/excitatory/cell_0_upright.swc", "1 1 0 0 0 4 -1\n2 3 0 25 0 1 1\n");
  EXPECT_GT(Prepared().LoadPatch(0).At(32, 32 + 9)[2], 200);
  options_.orient = "upright";
  EXPECT_GT(Prepared().LoadPatch(0).At(32, 32 - 24)[2], 200);
}

TEST_F(Patchseq, TellsToUnpackAllensCounts) {
  fs::rename(folder_ / "neurons/x_exon_counts.csv.gz", folder_ / "neurons/Release_count.v2.csv.tar");
  fs::remove(folder_ / "neurons/x_intron_counts.csv.gz");
  const Caught caught = Catch([&] { Prepare(options_); });
  EXPECT_EQ(caught.name, "PATCHSEQ_COUNTS");
  EXPECT_THAT(caught.text, HasSubstr("Release_count.v2.csv.tar: is packed: unpack it"));
}

TEST_F(Patchseq, SaysLengthsAndWhatIsCut) {
  options_.patch_size = 30;  // the dendrite of cell 3 is 16 um long, of which 15 are in
  const Dataset dataset = Prepared();
  EXPECT_NEAR(std::stod(dataset.obs().Find("axon_um")->Text(3)), 16, 1e-6);
  EXPECT_NEAR(std::stod(dataset.obs().Find("dendrite_um")->Text(3)), 16, 1e-6);
  EXPECT_NEAR(std::stod(dataset.obs().Find("share_cut")->Text(3)), 1.0 / 16, 1e-6);
  EXPECT_EQ(std::stod(dataset.obs().Find("share_cut")->Text(2)), 0);
}

TEST_F(Patchseq, RefusesCountsThatAreNone) {
  WriteText(folder_ / "neurons/x_exon_counts.csv.gz", ",cell_0,cell_1\nTP53,1,2.5\n");
  EXPECT_EQ(Catch([&] { Prepare(options_); }).name, "NOT_COUNTS");
  WriteText(folder_ / "neurons/x_exon_counts.csv.gz", ",cell_0,cell_0\nTP53,1,2\n");
  EXPECT_EQ(Catch([&] { Prepare(options_); }).name, "PATCHSEQ_COUNTS");
  WriteText(folder_ / "neurons/x_exon_counts.csv.gz", ",a,b\nTP53,1,2\nACTB,1,3\n");
  EXPECT_EQ(Catch([&] { Prepare(options_); }).name, "IDS_JOIN");
}

fs::path RealFolder() {
  const char* given = std::getenv("GENVINCI_REAL_DATA");
  return (given ? fs::path(given) : fs::path(GENVINCI_SOURCE_DIR) / ".." / "shared" / "data") / "technologies/patchseq";
}

// Good and broken tracings of NeuroM's tests: each opens or is refused by name.
TEST(RealSwc, OpensOrIsRefusedByName) {
  const fs::path data = RealFolder() / "swc_edge_cases_NeuroM";
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
  // The first lacks a point that others name as their parent.
  EXPECT_THAT(refused,
              ElementsAre(Pair("Neuron_missing_ids.swc", "SWC_PARENT"),
                          Pair("Neuron_missing_parents.swc", "SWC_PARENT"), Pair("repeated_id.swc", "SWC_ID")));
}

// By what their names, and the comments in them, say.
TEST(RealSwc, HoldsWhatItsNameSays) {
  const fs::path data = RealFolder() / "swc_edge_cases_NeuroM";
  if (!fs::exists(data)) GTEST_SKIP() << data << " is missing: set GENVINCI_REAL_DATA";
  const auto facts = [&](const char* name) { return FactsOf(ReadSwc(data / name)); };
  EXPECT_EQ(facts("soma/three_pt_soma.swc").soma, SwcSoma::kThreePoint);
  EXPECT_EQ(facts("point_soma.swc").soma, SwcSoma::kPoints);
  EXPECT_EQ(facts("Single_apical_no_soma.swc").soma, SwcSoma::kNone);
  EXPECT_EQ(facts("soma/bifurcating_soma.swc").soma, SwcSoma::kCylinders);
  EXPECT_EQ(ReadSwc(data / "multiple_somata.swc").roots, 2);
  EXPECT_EQ(facts("multiple_somata.swc").soma_points.size(), 2u);
  EXPECT_FALSE(facts("no-axon.swc").length_of_type.contains(kSwcAxon));
  EXPECT_TRUE(facts("Single_axon.swc").length_of_type.contains(kSwcAxon));
  EXPECT_EQ(facts("Single_axon.swc").length_of_type.size(), 1u);
  EXPECT_TRUE(facts("Single_apical.swc").length_of_type.contains(kSwcApical));
  EXPECT_TRUE(facts("custom_type.swc").length_of_type.contains(5));
  EXPECT_TRUE(facts("undefined_type.swc").length_of_type.contains(0));
  EXPECT_GT(facts("simple.swc").zero_radii, 0);
  EXPECT_GT(ReadSwc(data / "Neuron_disconnected_components.swc").roots, 1);
  // The same tree with its lines in another order: the same picture.
  const auto drawn = [&](const char* name) {
    return DrawMorphology(ReadSwc(data / name), {64, 1, 1, false}).image.bytes;
  };
  EXPECT_EQ(drawn("ordering/sample.swc"), drawn("ordering/sample_disordered.swc"));
  EXPECT_EQ(drawn("simple.swc"), drawn("simple_reversed.swc"));
}

// Genuine counts and metadata, of which the table that comes first by name has none of the cells.
TEST(RealPatchseq, OpensTheTablesOfScala) {
  const fs::path data = RealFolder() / "scala2020_mini-atlas";
  if (!fs::exists(data)) GTEST_SKIP() << data << " is missing: set GENVINCI_REAL_DATA";
  PrepareOptions options;
  options.technology = "patchseq";
  options.input = data.string();
  options.no_images = true;
  SetQuiet(/*quiet=*/true);
  const auto reader = OpenReader(options);
  EXPECT_EQ(reader->data().observations.size(), 185u);
  EXPECT_EQ(reader->data().observations[0].patient, "mouse_KIYRP");
  EXPECT_EQ(reader->data().obs.Find("label")->Text(0), "Sst");
  EXPECT_EQ(reader->data().default_split, "patient");
}

}  // namespace patchseq_reader_test
}  // namespace genvinci
