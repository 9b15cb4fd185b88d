#include "genvinci/data/patch_store.h"

#include <gtest/gtest.h>

#include "core/temp_folder.h"
#include "testing/tiny_dataset.h"

namespace genvinci {
namespace patch_store_test {

TEST(LoadPatches, HoldsThePixelsAsStored) {
  const TempFolder folder;
  const Dataset dataset = Dataset::Open(MakeTinyDataset(folder / "tiny").string());
  const torch::Tensor patches = LoadPatches(dataset, {5, 2}, 0);
  ASSERT_EQ(patches.sizes(), (std::vector<int64_t>{2, 3, 16, 16}));
  EXPECT_TRUE(patches.is_contiguous(torch::MemoryFormat::ChannelsLast));
  const Image image = dataset.LoadPatch(2);
  for (int64_t c = 0; c < 3; ++c) EXPECT_EQ(patches[1][c][3][7].item<int64_t>(), image.At(7, 3)[c]);
  const torch::Tensor batch = PatchBatch(patches, torch::tensor({1, 1, 0}));
  EXPECT_TRUE(batch.is_contiguous(torch::MemoryFormat::ChannelsLast));
  EXPECT_FLOAT_EQ(batch[0][1][3][7].item<float>(), static_cast<float>(image.At(7, 3)[1]) / 127.5F - 1);
  EXPECT_TRUE(batch[0].equal(batch[1]));
  EXPECT_EQ(LoadPatches(dataset, {5, 2, 0}, 8).sizes(), (std::vector<int64_t>{3, 3, 8, 8}));
}

TEST(LoadPatches, AsksForMemoryFirst) {
  const TempFolder folder;
  const Dataset dataset = Dataset::Open(MakeTinyDataset(folder / "tiny").string());
  CatchError("MEMORY", [&] { LoadPatches(dataset, {0, 1, 2, 3}, 60000000); });
}

// An image of 4 different corners: numpy's flip and rot90 of [[0, 1], [2, 3]].
TEST(Dihedral, IsTheGroupOfTheSquare) {
  const torch::Tensor image = torch::tensor({{0, 1}, {2, 3}}).view({1, 1, 2, 2});
  const std::vector<std::vector<int64_t>> expected = {{0, 1, 2, 3}, {1, 3, 0, 2}, {3, 2, 1, 0}, {2, 0, 3, 1},
                                                      {1, 0, 3, 2}, {0, 2, 1, 3}, {2, 3, 0, 1}, {3, 1, 2, 0}};
  for (int64_t d = 0; d < kDihedrals; ++d)
    EXPECT_TRUE(Dihedral(image, d).flatten().equal(torch::tensor(expected[static_cast<size_t>(d)]))) << d;
}

TEST(DihedralEach, TurnsEachImageByItsOwn) {
  const torch::Tensor images = torch::rand({8, 3, 6, 6});
  const torch::Tensor turned = DihedralEach(images, torch::arange(8));
  for (int64_t d = 0; d < kDihedrals; ++d) EXPECT_TRUE(turned[d].equal(Dihedral(images.narrow(0, d, 1), d)[0]));
}

}  // namespace patch_store_test
}  // namespace genvinci
