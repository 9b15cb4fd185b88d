#include "../../src/technologies/tile_reader.h"

#include <gmock/gmock.h>

#include "testing/test_folder.h"

namespace genvinci {
namespace tile_reader_test {

using ::testing::ElementsAre;

// Cells in um on an image of 2 px a um, so that tiles of 10 um are 20 px wide.
class SomeCells : public SectionReader {
 public:
  explicit SomeCells(double um_per_px) {
    data_.name = "cells";
    SectionImage image{"none.png", {"grey"}, 200, 200, 8, um_per_px};
    image.pixel_from_section = {2, 0, 0, 0, 2, 0};
    data_.sections.push_back({"S", {image}});
    data_.var.index = data_.gene_names = {"A", "B", "C"};
    const struct {
      double x, y;
      const char *patient, *unusable, *label;
    } cells[] = {{1, 1, "P", "", "t"}, {9.9, 9.9, "P", "", "u"}, {10, 3, "P", "", "u"},
                 {5, 5, "P", "", "u"}, {-1, 5, "Q", "", "t"},    {3, 3, "P", "no_position", "t"}};
    std::vector<std::string> labels;
    for (const auto& cell : cells) {
      data_.obs.index.push_back("cell_" + std::to_string(labels.size()));
      data_.observations.push_back({0, {cell.x, cell.y}, cell.patient, cell.unusable});
      labels.emplace_back(cell.label);
    }
    data_.label_column = "label";
    data_.obs.Set("label", LabelColumn(labels));
  }
  // Counts of cell k: k + 1 of A, and 10 of B or C by turns; in two batches.
  void ForEachBatch(const BatchUser& use) const override {
    for (const int64_t first : {0, 4}) {
      SparseRows rows;
      rows.first_row = first;
      rows.columns = 3;
      for (int64_t k = first; k < (first == 0 ? 4 : 6); ++k) {
        rows.indices.insert(rows.indices.end(), {0, static_cast<int32_t>(1 + k % 2)});
        rows.values.insert(rows.values.end(), {static_cast<float>(k + 1), 10.F});
        rows.offsets.push_back(static_cast<int64_t>(rows.indices.size()));
      }
      use(rows);
    }
  }
};

TEST(Tiles, SumTheCellsThatLieInThem) {
  SetQuiet(/*quiet=*/true);
  const auto tiles = MakeTiles(std::make_unique<SomeCells>(0.5), 10);
  const SourceData& data = tiles->data();
  EXPECT_THAT(data.obs.index, ElementsAre("S_tile_0_0", "S_tile_1_0", "S_tile_-1_0"));
  EXPECT_THAT(data.obs.Find("n_cells")->integers, ElementsAre(3, 1, 1));
  EXPECT_EQ(data.obs.Find("label")->Text(0), "u");
  EXPECT_EQ(data.obs.Find("label")->Text(2), "t");
  EXPECT_EQ(data.observations[2].patient, "Q");
  EXPECT_EQ(data.PixelCentre(0).x, 10);
  EXPECT_EQ(data.PixelCentre(1).x, 30);
  EXPECT_EQ(data.PixelCentre(1).y, 10);
  EXPECT_EQ(data.dropped.at("cell_no_position"), 1);
  std::vector<std::vector<float>> rows;
  tiles->ForEachBatch([&](const SparseRows& batch) {
    for (int64_t r = 0; r < batch.rows(); ++r) {
      std::vector<float>& row = rows.emplace_back(3, 0.F);
      for (size_t k = 0; k < batch.RowIndices(r).size(); ++k)
        row[static_cast<size_t>(batch.RowIndices(r)[k])] = batch.RowValues(r)[k];
    }
  });
  // Cells 0, 1 and 3; 2; 4.
  EXPECT_EQ(rows, (std::vector<std::vector<float>>{{1 + 2 + 4, 10, 20}, {3, 10, 0}, {5, 10, 0}}));
}

TEST(Tiles, NeedAScale) {
  EXPECT_EQ(Catch([] { MakeTiles(std::make_unique<SomeCells>(0), 10); }).name, "TILE_SCALE");
}

}  // namespace tile_reader_test
}  // namespace genvinci
