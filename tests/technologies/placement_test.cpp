#include "../../src/technologies/placement.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <random>

#include "../../src/technologies/feature_columns.h"

namespace genvinci {
namespace placement_test {

constexpr int64_t kSide = 120;

// Tissue in an L, which looks alike in no two orientations; `bright` as in transmitted light, else fluorescent.
bool IsTissue(double x, double y) {
  return (x > 15 && x < 45 && y > 10 && y < 105) || (x > 15 && x < 90 && y > 75 && y < 105);
}

Image Tissue(bool bright) {
  std::mt19937 random(1);
  Image image(kSide, kSide, bright ? 3 : 1);
  for (int64_t y = 0; y < kSide; ++y)
    for (int64_t x = 0; x < kSide; ++x) {
      const bool inside = IsTissue(static_cast<double>(x) + 0.5, static_cast<double>(y) + 0.5);
      const auto value = static_cast<uint8_t>((inside == bright ? 90 : 210) + random() % 40);
      for (int64_t c = 0; c < image.channels; ++c) image.At(x, y)[c] = value;
    }
  return image;
}

std::vector<Point> Spots(bool flip_x, bool flip_y, bool transpose) {
  std::vector<Point> spots;
  for (double y = 6; y < kSide; y += 12)
    for (double x = 6; x < kSide; x += 12) {
      if (!IsTissue(x, y)) continue;
      Point spot = transpose ? Point{y, x} : Point{x, y};
      if (flip_x) spot.x = kSide - spot.x;
      if (flip_y) spot.y = kSide - spot.y;
      spots.push_back(spot);
    }
  return spots;
}

TEST(Placement, KnowsEachOrientation) {
  for (const bool bright : {true, false}) {
    const Image image = Tissue(bright);
    for (int turn = 0; turn < 8; ++turn) {
      const auto spots = Spots(turn & 1, turn & 2, turn & 4);
      const auto scores = OrientationScores(image, bright, spots, 6);
      ASSERT_EQ(scores.size(), 8u);
      EXPECT_STREQ(scores[0].orientation, "as it is");
      const auto best = std::max_element(scores.begin(), scores.end(),
                                         [](const auto& a, const auto& b) { return a.correlation < b.correlation; });
      EXPECT_GT(best->correlation, 0.7);
      if (turn == 0) {
        EXPECT_EQ(best, scores.begin());
      } else {
        EXPECT_LT(scores[0].correlation, best->correlation - 0.14) << turn;
      }
      // The inverted image has the opposite sign.
      EXPECT_NEAR(OrientationScores(Tissue(!bright), bright, spots, 6)[0].correlation, -scores[0].correlation, 0.02);
    }
  }
}

TEST(Placement, SaysNothingWhereTissueIsEverywhere) {
  Image image(kSide, kSide, 1);
  std::fill(image.bytes.begin(), image.bytes.end(), uint8_t{100});
  for (const auto& score : OrientationScores(image, false, Spots(false, false, false), 6))
    EXPECT_EQ(score.correlation, 0);
}

TEST(FeatureColumns, TellsControlsByTypeAndByName) {
  for (const char* name :
       {"NegPrb12", "Negative3", "NegControlProbe_00042", "NegControlCodeword_0500", "SystemControl7", "FalseCode_9",
        "Blank-12", "BLANK_0006", "blank12", "UnassignedCodeword_0001", "DeprecatedCodeword_0001", "antisense_LPAR2",
        "DEPRECATED_ENSG01", "Intergenic_Region_12"})
    EXPECT_NE(ControlKind({name, name}), "") << name;
  // Genes whose symbols start alike.
  for (const char* name : {"NEGR1", "BLNK", "Blanks", "SYSTEM", "TP53", "ENSG00000141510", "Negation"})
    EXPECT_EQ(ControlKind({name, name}), "") << name;
  EXPECT_EQ(ControlKind({"x", "x", "Negative Control Probe"}), "Negative Control Probe");
  EXPECT_EQ(ControlKind({"x", "x", "Gene Expression"}), "");
}

TEST(FeatureColumns, AddsWhatHasOneIdAndKeepsOrder) {
  FeatureColumns columns;
  columns.Add({{"B", "b"}, {"A", "a"}, {"Blank-1", "Blank-1"}, {"B", "b"}});
  columns.Add({{"A", "a"}, {"C", "c"}}, {"", "left out"});
  SparseRows rows{7, 4, {0, 4}, {0, 1, 2, 3}, {1, 2, 4, 8}};
  const SparseRows first = columns.Take(rows, 0);
  EXPECT_EQ(first.first_row, 7);
  EXPECT_EQ(first.columns, 2);
  EXPECT_THAT(first.indices, testing::ElementsAre(0, 1));
  EXPECT_THAT(first.values, testing::ElementsAre(9, 2));
  const SparseRows second = columns.Take({0, 2, {0, 2}, {0, 1}, {3, 5}}, 1);
  EXPECT_THAT(second.indices, testing::ElementsAre(1));
  EXPECT_THAT(second.values, testing::ElementsAre(3));
  SourceData data;
  columns.Describe(data, "here");
  EXPECT_THAT(data.var.index, testing::ElementsAre("B", "A"));
  EXPECT_THAT(data.gene_names, testing::ElementsAre("b", "a"));
  EXPECT_EQ(data.provenance["features_left_out"], Json({{"blank", 1}, {"left out", 1}}));
}

}  // namespace placement_test
}  // namespace genvinci
