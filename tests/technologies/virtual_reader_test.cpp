#include <gtest/gtest.h>

#include "genvinci/data/dataset.h"
#include "genvinci/technologies/prepare.h"
#include "testing/test_folder.h"

namespace genvinci {
namespace virtual_reader_test {

TEST(PrepareVirtual, HoldsOutThePatientWithUnseenMixtures) {
  TestFolder folder;
  PrepareOptions options;
  options.technology = "virtual";
  options.common.output = (folder / "out").string();
  options.spots = 48;
  options.img_size = 32;
  Prepare(options);
  const Dataset dataset = Dataset::Open((folder / "out").string());
  EXPECT_EQ(dataset.size(), 48);
  EXPECT_EQ(dataset.info().split_kind, "patient");
  EXPECT_FALSE(dataset.info().same_patient);
  EXPECT_EQ(dataset.LoadPatch(0).width, 32);
  const FrameColumn* unseen = dataset.obs().Find("unseen_mixture");
  ASSERT_NE(unseen, nullptr);
  int64_t in_test = 0;
  for (const int64_t i : dataset.Indices(Split::kTrain)) EXPECT_EQ(unseen->integers[static_cast<size_t>(i)], 0);
  for (const int64_t i : dataset.Indices(Split::kTest)) in_test += unseen->integers[static_cast<size_t>(i)];
  EXPECT_GT(in_test, 0);
  EXPECT_EQ(dataset.Indices(Split::kTest).size(), 8u);
  EXPECT_EQ(dataset.Indices(Split::kVal).size(), 8u);
  double sum = 0;
  for (const std::string& column : dataset.info().proportion_columns) sum += dataset.obs().Find(column)->floats[5];
  EXPECT_NEAR(sum, 1, 1e-6);
}

}  // namespace virtual_reader_test
}  // namespace genvinci
