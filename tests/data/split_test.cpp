#include "genvinci/data/split.h"

#include <gmock/gmock.h>

#include <limits>
#include <map>
#include <set>

#include "testing/test_folder.h"

namespace genvinci {
namespace split_test {

using ::testing::HasSubstr;

// 2 sections of 10 x 10 spots, 10 apart.
struct Grid {
  std::vector<std::string> names, sections, patients;
  std::vector<double> x, y;
  DataFrame obs;

  Grid() {
    std::vector<std::string> halves;
    for (int64_t i = 0; i < 200; ++i) {
      const std::string section = i < 100 ? "S1" : "S2";
      names.push_back(fmt::format("{}_{}", section, i));
      sections.push_back(section);
      patients.push_back(i < 100 ? "P" : "Q");
      x.push_back(static_cast<double>(10 * (i % 10)));
      y.push_back(static_cast<double>(10 * ((i % 100) / 10)));
      halves.push_back(i % 2 ? "odd" : "even");
    }
    obs.index = names;
    obs.Set("half", FrameColumn::Categorical(halves));
  }
  SplitSubjects subjects() const { return {names, sections, patients, x, y, &obs}; }
};

std::map<Split, int64_t> Sizes(const SplitResult& result) {
  std::map<Split, int64_t> sizes;
  for (const Split split : result.splits) ++sizes[split];
  return sizes;
}

TEST(Split, ByPatientSectionColumnAndPrefix) {
  const Grid grid;
  for (const auto& [kind, test] :
       std::map<std::string, std::string>{{"patient", "Q"}, {"section", "S2"}, {"prefix", "S2_"}}) {
    const SplitResult result = AssignSplits({kind, {test}, {}, 0, 0, 0}, grid.subjects());
    for (size_t i = 0; i < 200; ++i) EXPECT_EQ(result.splits[i], i < 100 ? Split::kTrain : Split::kTest) << kind;
  }
  const SplitResult odd = AssignSplits({"obs:half", {}, {"odd"}, 0, 0, 0}, grid.subjects());
  for (size_t i = 0; i < 200; ++i) EXPECT_EQ(odd.splits[i], i % 2 ? Split::kVal : Split::kTrain);
}

TEST(Split, UnknownValuesNameThoseThatAreThere) {
  const Grid grid;
  const Caught section = Catch([&] { AssignSplits({"section", {"S3"}, {}, 0, 0, 0}, grid.subjects()); });
  EXPECT_EQ(section.name, "SPLIT_VALUE");
  EXPECT_EQ(section.code, ExitCode::kUsage);
  EXPECT_THAT(section.text, HasSubstr("S1, S2"));
  const Caught prefix = Catch([&] { AssignSplits({"prefix", {"BC"}, {}, 0, 0, 0}, grid.subjects()); });
  EXPECT_EQ(prefix.name, "SPLIT_VALUE");
  EXPECT_THAT(prefix.text, HasSubstr("S1_0"));
  const Caught column = Catch([&] { AssignSplits({"obs:hafl", {}, {}, 0, 0, 0}, grid.subjects()); });
  EXPECT_EQ(column.name, "SPLIT_COLUMN");
  EXPECT_THAT(column.text, HasSubstr("half"));
  EXPECT_EQ(Catch([&] { AssignSplits({"colour", {}, {}, 0, 0, 0}, grid.subjects()); }).name, "SPLIT_KIND");
  EXPECT_EQ(Catch([&] {
              AssignSplits({"section", {"S1"}, {"S1"}, 0, 0, 0}, grid.subjects());
            }).name,
            "SPLIT_VALUE_TWICE");
  EXPECT_EQ(Catch([&] {
              AssignSplits({"prefix", {"S2"}, {"S2_1"}, 0, 0, 0}, grid.subjects());
            }).name,
            "SPLIT_VALUE_TWICE");
  EXPECT_EQ(Catch([&] { AssignSplits({"section", {"S1", "S2"}, {}, 0, 0, 0}, grid.subjects()); }).name, "SPLIT_EMPTY");
}

TEST(Split, NoneHoldsAllForDrawing) {
  const Grid grid;
  const SplitResult result = AssignSplits({"none", {}, {}, 0, 0, 0}, grid.subjects());
  EXPECT_TRUE(
      std::all_of(result.splits.begin(), result.splits.end(), [](Split split) { return split == Split::kTest; }));
  EXPECT_EQ(Catch([&] { AssignSplits({"none", {"S1"}, {}, 0, 0, 0}, grid.subjects()); }).name, "SPLIT_NONE");
}

TEST(Split, ValFractionTakesWholeBlocksOfTheTrainingPart) {
  const Grid grid;
  const SplitRules rules{"section", {"S2"}, {}, 0.2, 25, 7};
  const SplitResult result = AssignSplits(rules, grid.subjects());
  EXPECT_NEAR(Sizes(result)[Split::kVal], 20, 5);  // a block of 25 px has at most nine spots
  EXPECT_EQ(Sizes(result)[Split::kTest], 100);
  std::map<std::string, std::set<Split>> splits_of_block;
  for (size_t i = 0; i < 100; ++i) {
    EXPECT_EQ(result.blocks[i],
              fmt::format("S1:{},{}", static_cast<int>(grid.x[i] / 25), static_cast<int>(grid.y[i] / 25)));
    splits_of_block[result.blocks[i]].insert(result.splits[i]);
    EXPECT_EQ(result.by_block[i], result.splits[i] == Split::kVal);
  }
  for (const auto& [block, splits] : splits_of_block) EXPECT_EQ(splits.size(), 1u) << block;
}

TEST(Split, TheSeedAloneDecides) {
  const Grid grid;
  const auto run = [&](int64_t seed) {
    return AssignSplits({"section", {}, {}, 0.3, 25, seed}, grid.subjects()).splits;
  };
  EXPECT_EQ(run(1), run(1));
  EXPECT_NE(run(1), run(2));
}

TEST(Split, BlocksTakeAFifthOrTheNamedOnes) {
  const Grid grid;
  const SplitResult fifth = AssignSplits({"block", {}, {}, 0.1, 25, 3}, grid.subjects());
  EXPECT_NEAR(Sizes(fifth)[Split::kTest], 40, 5);
  EXPECT_NEAR(Sizes(fifth)[Split::kVal], 16, 5);
  const SplitResult named = AssignSplits({"block", {"S1:0,0"}, {}, 0, 50, 3}, grid.subjects());
  EXPECT_EQ(Sizes(named)[Split::kTest], 25);
  EXPECT_EQ(named.splits[0], Split::kTest);
  EXPECT_EQ(Catch([&] { AssignSplits({"section", {"S2"}, {}, 0.2, 1000, 0}, grid.subjects()); }).name, "SPLIT_BLOCKS");
}

TEST(Split, WithoutPositionEachObservationIsABlock) {
  Grid grid;
  std::fill(grid.x.begin(), grid.x.end(), std::numeric_limits<double>::quiet_NaN());
  const SplitResult result = AssignSplits({"section", {"S2"}, {}, 0.1, 25, 0}, grid.subjects());
  EXPECT_EQ(Sizes(result)[Split::kVal], 10);
}

}  // namespace split_test
}  // namespace genvinci
