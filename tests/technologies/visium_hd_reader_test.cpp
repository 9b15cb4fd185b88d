#include <gmock/gmock.h>

#include "genvinci/core/json.h"
#include "genvinci/data/dataset.h"
#include "genvinci/technologies/prepare.h"
#include "testing/test_folder.h"

namespace genvinci {
namespace visium_hd_reader_test {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const fs::path kHdGolden = fs::path(GENVINCI_SOURCE_DIR) / "tests/technologies/data/visium_hd";

class VisiumHd : public ::testing::Test {
 protected:
  void SetUp() override {
    fs::create_directories(folder_ / "S1");
    fs::copy(kHdGolden / "outs", folder_ / "S1/outs", fs::copy_options::recursive);
    options_.input = (folder_ / "S1").string();
    options_.common.output = (folder_ / "out").string();
    options_.split = "section";
    options_.patch_um = 8;
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
  fs::path In(const std::string& name) const { return folder_ / "S1/outs" / name; }

  TestFolder folder_;
  PrepareOptions options_;
  Json result_;
  Json expected_ = ReadJson(kHdGolden / "expected.json");
};

TEST_F(VisiumHd, PlacesEveryBinThatHasCounts) {
  const Dataset dataset = Prepared();
  EXPECT_EQ(dataset.info().technology, "visium-hd");
  EXPECT_NEAR(dataset.info().um_per_px, 1, 1e-9);  // the reduced image's, half as fine
  int64_t outside_tissue = 0;
  size_t at = 0;
  std::vector<int64_t> number_of;  // of each observation among the bins with counts
  for (size_t k = 0; k < expected_["bins"].size(); ++k) {
    const std::string barcode = expected_["bins"][k];
    const Json& place = expected_["bin_centres"][barcode];
    if (place[2] == 0) {
      ++outside_tissue;
      continue;
    }
    ASSERT_LT(at, static_cast<size_t>(dataset.size()));
    EXPECT_EQ(dataset.obs().index[at], "S1_" + barcode);
    EXPECT_NEAR(dataset.obs().Find("x")->floats[at], place[0].get<double>() / 2, 1e-9);
    EXPECT_NEAR(dataset.obs().Find("y")->floats[at], place[1].get<double>() / 2, 1e-9);
    number_of.push_back(static_cast<int64_t>(k));
    ++at;
  }
  EXPECT_EQ(at, static_cast<size_t>(dataset.size()));
  EXPECT_EQ(result_["dropped"], Json({{"not_in_tissue", outside_tissue}}));
  dataset.ForEachProfile([&](int64_t i, std::span<const int32_t> columns, std::span<const float> counts) {
    const int64_t k = number_of[static_cast<size_t>(i)];
    EXPECT_THAT(columns, ElementsAre(0, 1, 2));
    EXPECT_THAT(counts, ElementsAre(1 + k % 4, 1 + (k + 1) % 4, 1 + (k + 2) % 4));
  });
}

// The mean of all of a cell's squares: those beside its largest part too, and of a cell that has no nucleus.
TEST_F(VisiumHd, PlacesCellsByTheirSquares) {
  for (const char* unit : {"cell", "nucleus"}) {
    options_.unit = unit;
    const Dataset dataset = Prepared();
    const Json& centres = expected_["centres"][unit];
    int64_t known = 0;
    for (const std::string cell : expected_["cells"]) {
      if (!centres.contains(cell)) continue;
      const auto i = static_cast<size_t>(known++);
      EXPECT_EQ(dataset.obs().index[i], "S1_" + cell);
      EXPECT_NEAR(dataset.obs().Find("x")->floats[i], centres[cell][0].get<double>() / 2, 1e-4) << cell;
      EXPECT_NEAR(dataset.obs().Find("y")->floats[i], centres[cell][1].get<double>() / 2, 1e-4) << cell;
    }
    EXPECT_EQ(dataset.size(), known);
    EXPECT_EQ(result_["dropped"], Json({{"no_position", 5 - known}}));
    EXPECT_NEAR(dataset.info().um_per_px, 1, 1e-9);  // its scale factors state no bin
  }
}

TEST_F(VisiumHd, ChoosesTheBin) {
  options_.bin_um = 16;
  const Caught caught = Refused();
  EXPECT_EQ(caught.name, "BIN_UM");
  EXPECT_THAT(caught.text, HasSubstr("square_002um, square_008um"));
  options_.bin_um = 0;
  fs::remove_all(In("binned_outputs/square_002um"));
  fs::remove_all(In("segmented_outputs"));
  fs::rename(In("binned_outputs/square_008um"), In("binned_outputs/square_012um"));  // the only one
  EXPECT_GT(Prepared().size(), 50);
  options_.input = In("binned_outputs/square_012um").string();
  EXPECT_GT(Prepared().size(), 50);
}

TEST_F(VisiumHd, RefusesWhatIsMissingOrContradictsItself) {
  options_.unit = "spot";
  EXPECT_EQ(Refused().name, "UNIT");
  options_.unit = "auto";
  WriteText(In("binned_outputs/square_008um/spatial/scalefactors_json.json"),
            R"({"tissue_hires_scalef": 0.5, "microns_per_pixel": 0.5, "spot_diameter_fullres": 8, "bin_size_um": 8})");
  EXPECT_EQ(Refused().name, "VISIUM_SCALE");
  WriteText(In("binned_outputs/square_008um/spatial/scalefactors_json.json"), R"({"tissue_hires_scalef": 0.5})");
  EXPECT_EQ(Refused().name, "VISIUM_SCALE");
  fs::remove(In("barcode_mappings.parquet"));
  options_.unit = "cell";
  EXPECT_EQ(Refused().name, "VISIUM_SEGMENTED");
  fs::remove(In("binned_outputs/square_008um/spatial/tissue_positions.parquet"));
  options_.unit = "bin";
  options_.um_per_px = 1;
  EXPECT_EQ(Refused().name, "VISIUM_POSITIONS");
}

}  // namespace visium_hd_reader_test
}  // namespace genvinci
