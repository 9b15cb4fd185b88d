#include "genvinci/studies/common/examples.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/temp_folder.h"
#include "testing/tiny_dataset.h"

namespace genvinci {
namespace examples_test {

using testing::ElementsAre;

TEST(ChooseExamples, TakesTheFirstOfEachLabelByTurns) {
  const std::vector<std::string> labels = {"b", "a", "a", "b", "a", "c"};
  EXPECT_THAT(ChooseExamples(labels, 3), ElementsAre(1, 0, 5));
  EXPECT_THAT(ChooseExamples(labels, 4), ElementsAre(1, 2, 0, 5));
  EXPECT_THAT(ChooseExamples(labels, 2), ElementsAre(1, 0));  // the commonest ones
  EXPECT_THAT(ChooseExamples(labels, 60), ElementsAre(1, 2, 4, 0, 3, 5));
}

TEST(ChooseExamples, SpreadsOutWithoutLabels) {
  EXPECT_THAT(ChooseExamples(std::vector<std::string>(10), 4), ElementsAre(0, 2, 5, 7));
  EXPECT_THAT(ChooseExamples(std::vector<std::string>(2), 8), ElementsAre(0, 1));
}

TEST(LabelsOf, ReadsTheLabelColumnOrTheLargestProportion) {
  const TempFolder folder;
  Dataset dataset = Dataset::Open(MakeTinyDataset(folder / "tiny").string());
  EXPECT_THAT(LabelsOf(dataset, {0, 3}), ElementsAre("red", "blue"));

  DataFrame obs, var;
  obs.index = {"a", "b"};
  obs.Set("split", FrameColumn::Strings({"train", "test"}));
  obs.Set("proportion:tumour", FrameColumn::Floats({0.2, 0.7}));
  obs.Set("proportion:stroma", FrameColumn::Floats({0.8, 0.3}));
  var.index = {"ENSG00000141736"};
  MakeFolder(folder / "mixed");
  H5adWriter writer(folder / "mixed/expression.h5ad", obs, var);
  const float one = 1;
  writer.AppendDense({&one, 1});
  writer.AppendDense({&one, 1});
  writer.Finish();
  DatasetInfo info;
  info.name = "mixed";
  info.proportion_columns = {"proportion:tumour", "proportion:stroma"};
  WriteJson(folder / "mixed/dataset.json", info.ToJson());
  EXPECT_THAT(LabelsOf(Dataset::Open((folder / "mixed").string()), {0, 1}), ElementsAre("stroma", "tumour"));
}

}  // namespace examples_test
}  // namespace genvinci
