#include <gmock/gmock.h>

#include <cstdlib>

#include "genvinci/data/dataset.h"
#include "genvinci/technologies/prepare.h"
#include "genvinci/technologies/section_reader.h"
#include "testing/test_folder.h"

namespace genvinci {
namespace visium_reader_test {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// 6 x 12 places of which every second is a spot, 30 px apart in a row; the image's red is x and its green y.
constexpr int64_t kRows = 6, kColumns = 12, kWidth = 260, kHeight = 240;
constexpr double kFiducial = 31.5;  // px: 105 um at 100 / 30 um per px

int64_t PixelX(int64_t column) { return 40 + 15 * column; }
int64_t PixelY(int64_t row) { return 50 + 26 * row; }
std::string Barcode(int64_t row, int64_t column) {
  std::string text = "AAAAAAAAAAAAAAAA-1";
  text[3] = "ACGT"[row % 4];
  text[4] = "ACGT"[row / 4];
  text[5] = "ACGT"[column % 4];
  text[6] = "ACGT"[column / 4];
  return text;
}
bool IsSpot(int64_t row, int64_t column) { return row % 2 == column % 2; }
// The first row lies beside the tissue.
bool IsInTissue(int64_t row) { return row > 0; }

Image FullImage(int64_t width = kWidth, int64_t height = kHeight) {
  Image image(width, height, 3);
  for (int64_t y = 0; y < height; ++y)
    for (int64_t x = 0; x < width; ++x) {
      image.At(x, y)[0] = static_cast<uint8_t>(x);
      image.At(x, y)[1] = static_cast<uint8_t>(y);
      image.At(x, y)[2] = 7;
    }
  return image;
}

// As spaceranger's outs: the counts of gene g in the k-th spot are 1 + (k + g) % 5.
struct Outs {
  std::string prefix;
  std::string positions = "tissue_positions.csv";
  std::string header = "barcode,in_tissue,array_row,array_col,pxl_row_in_fullres,pxl_col_in_fullres\n";
  std::string matrix = "filtered_feature_bc_matrix";
  std::string features =
      "ENSG00000075624\tACTB\tGene Expression\nENSG00000141510\tTP53\tGene Expression\n"
      "CD3\tCD3\tAntibody Capture\nDEPRECATED_ENSG1\tOLD\tGene Expression\n";
  double fiducial = kFiducial;
  std::string image = "image.tif";  // "": none
  bool with_all_spots = false;      // as a raw matrix

  void Write(const fs::path& folder) const {
    const fs::path spatial = folder / (prefix + "spatial"), counts = folder / (prefix + matrix);
    fs::create_directories(spatial);
    fs::create_directories(counts);
    std::string rows = header, barcodes, entries;
    int64_t spots = 0, stored = 0;
    const auto genes = std::count(features.begin(), features.end(), '\n');
    for (int64_t row = 0; row < kRows; ++row)
      for (int64_t column = 0; column < kColumns; ++column) {
        if (!IsSpot(row, column)) continue;
        rows += fmt::format("{},{},{},{},{},{}\n", Barcode(row, column), IsInTissue(row) ? 1 : 0, row, column,
                            PixelY(row), PixelX(column));
        if (!IsInTissue(row) && !with_all_spots) continue;
        barcodes += Barcode(row, column) + "\n";
        for (int64_t gene = 0; gene < genes; ++gene, ++stored)
          entries += fmt::format("{} {} {}\n", gene + 1, spots + 1, 1 + (spots + gene) % 5);
        ++spots;
      }
    WriteText(spatial / positions, rows);
    WriteText(spatial / "scalefactors_json.json",
              fmt::format(R"({{"spot_diameter_fullres": 19.5, "tissue_hires_scalef": 0.5, "tissue_lowres_scalef": 0.25,
                               "fiducial_diameter_fullres": {}}})",
                          fiducial));
    WritePng(spatial / "tissue_hires_image.png", Resize(FullImage(), kWidth / 2, kHeight / 2));
    WriteText(counts / "barcodes.tsv.gz", barcodes);
    WriteText(counts / "features.tsv.gz", features);
    WriteText(counts / "matrix.mtx.gz", fmt::format("%%MatrixMarket matrix coordinate integer general\n%\n{} {} {}\n{}",
                                                    genes, spots, stored, entries));
    if (!image.empty()) WriteTiff(folder / (prefix + image), FullImage());
  }
};

class Visium : public ::testing::Test {
 protected:
  void SetUp() override {
    options_.input = (folder_ / "V1").string();
    options_.common.output = (folder_ / "out").string();
    options_.split = "section";
    fs::create_directories(folder_ / "V1");
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
  fs::path Spatial() const { return folder_ / "V1/outs/spatial"; }

  TestFolder folder_;
  PrepareOptions options_;
  Json result_;
};

// 30 of the 36 spots are in the tissue; all patches of 30 px lie inside the image.
void ExpectAllInPlace(const Dataset& dataset, const std::string& section, const fs::path& patches) {
  ASSERT_EQ(dataset.size(), 30);
  int64_t k = 0;
  for (int64_t row = 1; row < kRows; ++row)
    for (int64_t column = 0; column < kColumns; ++column) {
      if (!IsSpot(row, column)) continue;
      const auto i = static_cast<size_t>(k++);
      EXPECT_EQ(dataset.obs().index[i], section + "_" + Barcode(row, column));
      EXPECT_EQ(dataset.obs().Find("x")->floats[i], PixelX(column));
      EXPECT_EQ(dataset.obs().Find("y")->floats[i], PixelY(row));
      EXPECT_EQ(dataset.obs().Find("array_row")->integers[i], row);
      EXPECT_EQ(dataset.obs().Find("array_col")->integers[i], column);
      const Image patch = ReadImage(patches / (EscapeFileName(dataset.obs().index[i]) + ".png"));
      ASSERT_EQ(patch.width, 30);
      EXPECT_EQ(patch.At(15, 15)[0], PixelX(column));
      EXPECT_EQ(patch.At(15, 15)[1], PixelY(row));
    }
  dataset.ForEachProfile([](int64_t i, std::span<const int32_t> columns, std::span<const float> counts) {
    EXPECT_THAT(columns, ElementsAre(0, 1));
    EXPECT_THAT(counts, ElementsAre(1 + i % 5, 1 + (i + 1) % 5));
  });
}

TEST_F(Visium, PutsEverySpotInItsPlaceAtItsScale) {
  Outs().Write(folder_ / "V1/outs");
  const Dataset dataset = Prepared();
  ExpectAllInPlace(dataset, "V1", folder_ / "out/patches");
  EXPECT_THAT(dataset.gene_names(), ElementsAre("ENSG00000075624", "ENSG00000141510"));
  EXPECT_NEAR(dataset.info().um_per_px, 100.0 / 30, 1e-9);
  EXPECT_EQ(dataset.info().technology, "visium");
  EXPECT_EQ(dataset.info().provenance["features_left_out"], Json({{"Antibody Capture", 1}, {"deprecated", 1}}));
}

// Lists without a header came before spaceranger 2; some tools write that name with one.
TEST_F(Visium, TellsAHeaderByWhatItHoldsAndTakesPrefixes) {
  for (const bool has_header : {true, false}) {
    fs::remove_all(folder_ / "V1");
    Outs outs;
    outs.prefix = "Mouse_Brain_";
    outs.positions = "tissue_positions_list.csv";
    if (!has_header) outs.header = "";
    outs.Write(folder_ / "V1");
    ExpectAllInPlace(Prepared(), "V1", folder_ / "out/patches");
  }
}

TEST_F(Visium, DropsAndCountsWhatHasNoPlace) {
  Outs outs;
  outs.matrix = "raw_feature_bc_matrix";
  outs.with_all_spots = true;
  outs.Write(folder_ / "V1/outs");
  std::string rows = ReadFile(Spatial() / "tissue_positions.csv");
  const size_t line = rows.find(Barcode(2, 2));
  rows.erase(line, rows.find('\n', line) + 1 - line);
  const std::string place = fmt::format(",4,4,{},{}", PixelY(4), PixelX(4));
  rows.replace(rows.find(place), place.size(), ",4,4,NA,NA");
  WriteText(Spatial() / "tissue_positions.csv", rows);
  EXPECT_EQ(Prepared().size(), 28);
  EXPECT_EQ(result_["dropped"], Json({{"no_position", 2}, {"not_in_tissue", 6}}));
  options_.matrix = "filtered";
  fs::remove_all(folder_ / "out");
  EXPECT_EQ(Refused().name, "MATRIX_MISSING");
}

TEST_F(Visium, FallsBackToTheReducedImageAtItsScale) {
  Outs outs;
  outs.image = "";
  outs.Write(folder_ / "V1/outs");
  const Dataset dataset = Prepared();
  EXPECT_NEAR(dataset.info().um_per_px, 200.0 / 30, 1e-9);
  EXPECT_EQ(dataset.info().patch_size, 15);
  const Image patch = ReadImage(folder_ / "out/patches" / (EscapeFileName("V1_" + Barcode(1, 1)) + ".png"));
  EXPECT_NEAR(patch.At(7, 7)[0], PixelX(1), 2);
  EXPECT_NEAR(patch.At(7, 7)[1], PixelY(1), 2);
}

TEST_F(Visium, TakesTheCytAssistImageWhereThereIsNoOther) {
  Outs outs;
  outs.image = "spatial/cytassist_image.tiff";
  outs.Write(folder_ / "V1/outs");
  EXPECT_EQ(Prepared().info().patch_size, 15);  // no factor of registration: positions count px of another image
  WriteText(Spatial() / "scalefactors_json.json",
            R"({"tissue_hires_scalef": 0.5, "fiducial_diameter_fullres": 31.5, "regist_target_img_scalef": 1.0})");
  ExpectAllInPlace(Prepared(), "V1", folder_ / "out/patches");
}

TEST_F(Visium, RefusesAnImageThatThePositionsDoNotCount) {
  Outs outs;
  outs.image = "";
  outs.Write(folder_ / "V1/outs");
  options_.images = (folder_ / "turned.tif").string();
  WriteTiff(options_.images, FullImage(kHeight, kWidth));
  const Caught caught = Refused();
  EXPECT_EQ(caught.name, "SECTION_IMAGE_SIZE");
  EXPECT_THAT(caught.text, HasSubstr("is 240 x 260 px, the positions count px of an image of about 260 x 240"));
  WriteTiff(options_.images, FullImage());
  ExpectAllInPlace(Prepared(), "V1", folder_ / "out/patches");
}

TEST_F(Visium, RefusesAScaleThatTheSpotsContradict) {
  Outs outs;
  outs.fiducial = 2 * kFiducial;
  outs.Write(folder_ / "V1/outs");
  const Caught caught = Refused();
  EXPECT_EQ(caught.name, "VISIUM_SCALE");
  EXPECT_THAT(caught.text, HasSubstr("1.6667"));
  EXPECT_THAT(caught.text, HasSubstr("3.3333"));
  options_.um_per_px = 3.3;
  EXPECT_NEAR(Prepared().info().um_per_px, 3.3, 1e-9);
}

TEST_F(Visium, RefusesTablesThatDoNotBelongTogether) {
  Outs().Write(folder_ / "V1/outs");
  const fs::path barcodes = folder_ / "V1/outs/filtered_feature_bc_matrix/barcodes.tsv.gz";
  std::string text;
  for (int64_t k = 0; k < 30; ++k) text += fmt::format("TTTTTTTTTTTTTT{:02}-1\n", k);
  WriteText(barcodes, text);
  const Caught caught = Refused();
  EXPECT_EQ(caught.name, "IDS_JOIN");
  EXPECT_THAT(caught.text, HasSubstr("0 of 30 ids"));
  EXPECT_THAT(caught.text, HasSubstr("TTTTTTTTTTTTTT00-1, TTTTTTTTTTTTTT01-1, TTTTTTTTTTTTTT02-1"));
}

TEST_F(Visium, RefusesWhatIsMissingOrDamaged) {
  EXPECT_EQ(Refused().name, "TECHNOLOGY");
  options_.technology = "visium";
  EXPECT_EQ(Refused().name, "VISIUM_MISSING");
  Outs().Write(folder_ / "V1/outs");
  fs::rename(Spatial() / "scalefactors_json.json", folder_ / "kept.json");
  EXPECT_EQ(Refused().name, "VISIUM_FACTORS");
  WriteText(Spatial() / "scalefactors_json.json", R"({"fiducial_diameter_fullres": -3})");
  EXPECT_EQ(Refused().name, "VISIUM_FACTORS");
  fs::copy_file(folder_ / "kept.json", Spatial() / "scalefactors_json.json", fs::copy_options::overwrite_existing);
  WriteText(Spatial() / "tissue_positions.csv", "barcode,in_tissue,array_row,array_col,y,x\nAAA-1,2,0,0,1,1\n");
  EXPECT_EQ(Refused().name, "VISIUM_POSITIONS");
}

TEST_F(Visium, BringsSectionsTogetherByGene) {
  Outs first, second;
  first.Write(folder_ / "V1/A/outs");
  second.features = "ENSG00000141736\tERBB2\tGene Expression\nENSG00000141510\tTP53\tGene Expression\n";
  second.Write(folder_ / "V1/B");
  options_.test_values = {"B"};
  const Dataset dataset = Prepared();
  ASSERT_EQ(dataset.size(), 60);
  EXPECT_THAT(dataset.gene_names(), ElementsAre("ENSG00000075624", "ENSG00000141510", "ENSG00000141736"));
  dataset.ForEachProfile([](int64_t i, std::span<const int32_t> columns, std::span<const float> counts) {
    const int64_t k = i % 30;
    if (i < 30)
      EXPECT_THAT(columns, ElementsAre(0, 1));
    else
      EXPECT_THAT(columns, ElementsAre(1, 2));
    const std::vector<float> expected = i < 30 ? std::vector<float>{1.F + k % 5, 1.F + (k + 1) % 5}
                                               : std::vector<float>{1.F + (k + 1) % 5, 1.F + k % 5};
    EXPECT_TRUE(std::equal(counts.begin(), counts.end(), expected.begin()));
  });
  EXPECT_EQ(dataset.Indices(Split::kTest).size(), 30u);
  options_.sections = {"C"};
  fs::remove_all(folder_ / "out");
  EXPECT_EQ(Refused().name, "SECTIONS");
}

// Patches of equal px of sections of different scale would show different sizes of tissue.
TEST_F(Visium, RefusesOnePatchSizeInPxForSectionsOfDifferentScale) {
  Outs first, second;
  first.Write(folder_ / "V1/A");
  second.Write(folder_ / "V1/B");
  std::string rows = ReadFile(folder_ / "V1/B/spatial/tissue_positions.csv");
  std::string wide = rows.substr(0, rows.find('\n') + 1);
  for (int64_t row = 0; row < kRows; ++row)
    for (int64_t column = 0; column < kColumns; ++column)
      if (IsSpot(row, column))
        wide += fmt::format("{},1,{},{},{},{}\n", Barcode(row, column), row, column, 20 + 32 * row, 20 + 18 * column);
  WriteText(folder_ / "V1/B/spatial/tissue_positions.csv", wide);
  WriteText(folder_ / "V1/B/spatial/scalefactors_json.json",
            R"({"tissue_hires_scalef": 0.5, "fiducial_diameter_fullres": 37.8})");
  options_.patch_size = 20;
  options_.test_values = {"B"};
  options_.allow_leak = true;  // both have the same counts
  EXPECT_EQ(Refused().name, "PATCH_SCALE");
  options_.patch_size = 0;
  const Dataset dataset = Prepared();
  EXPECT_EQ(dataset.info().patch_size, 36);
  EXPECT_NEAR(dataset.info().um_per_px, 100.0 / 36, 1e-9);
}

}  // namespace visium_reader_test
}  // namespace genvinci
