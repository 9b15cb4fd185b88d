#include "genvinci/data/dataset.h"

#include <gtest/gtest.h>

#include "testing/h5ad_fixture.h"

namespace genvinci {
namespace dataset_test {

TEST(Dataset, OpensTheReferenceLayoutWithItsSplit) {
  TestFolder folder;
  const std::vector<std::string> names{"BC23377_C1_1", "BC23000_C1_1", "BC23377_C1_2", "BC24000_D1_5"};
  for (const std::string name : {"he_st", "other"}) {
    fs::create_directories(folder / name / "spot_224");
    WriteFakeH5ad(folder / name / "demo.h5ad", names, 1, /*with_spatial=*/false);
    for (const std::string& spot : names) WriteJpeg(folder / name / "spot_224" / (spot + ".jpg"), Image(224, 224, 3));
  }
  const Dataset dataset = Dataset::Open((folder / "he_st").string());
  EXPECT_EQ(dataset.info().name, "he_st");
  EXPECT_EQ(dataset.Indices(Split::kTrain), (std::vector<int64_t>{1, 3}));
  EXPECT_EQ(dataset.Indices(Split::kVal), (std::vector<int64_t>{0, 2}));
  EXPECT_EQ(dataset.Indices(Split::kTest), (std::vector<int64_t>{0, 2}));
  EXPECT_EQ(dataset.LoadPatch(2).width, 224);
  EXPECT_EQ(Dataset::Open((folder / "other").string()).Indices(Split::kTrain).size(), 4u);
}

}  // namespace dataset_test
}  // namespace genvinci
