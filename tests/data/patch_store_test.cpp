#include "genvinci/data/patch_store.h"

#include <gtest/gtest.h>

#include "core/temp_folder.h"
#include "testing/tiny_dataset.h"

namespace genvinci {
namespace patch_store_test {

TEST(PatchStore, HoldsThePixelsAsStored) {
  const TempFolder folder;
  const Dataset dataset = Dataset::Open(MakeTinyDataset(folder / "tiny").string());
  const PatchStore patches = PatchStore::Open(dataset, {5, 2}, 0);
  EXPECT_EQ(patches.size(), 2);
  EXPECT_EQ(patches.img_size(), 16);
  EXPECT_EQ(patches.channels(), 3);
  const torch::Tensor bytes = patches.Bytes(torch::tensor({0, 1}));
  ASSERT_EQ(bytes.sizes(), (std::vector<int64_t>{2, 3, 16, 16}));
  EXPECT_TRUE(bytes.is_contiguous(torch::MemoryFormat::ChannelsLast));
  const Image image = dataset.LoadPatch(2);
  for (int64_t c = 0; c < 3; ++c) EXPECT_EQ(bytes[1][c][3][7].item<int64_t>(), image.At(7, 3)[c]);
  const torch::Tensor batch = patches.Batch(torch::tensor({1, 1, 0}));
  EXPECT_TRUE(batch.is_contiguous(torch::MemoryFormat::ChannelsLast));
  EXPECT_FLOAT_EQ(batch[0][1][3][7].item<float>(), static_cast<float>(image.At(7, 3)[1]) / 127.5F - 1);
  EXPECT_TRUE(batch[0].equal(batch[1]));
  EXPECT_TRUE(patches.Select({1}).Bytes(torch::tensor({0}))[0].equal(bytes[1]));
  EXPECT_NE(patches.Select({1}).Identity(), patches.Identity());
  EXPECT_EQ(PatchStore::Open(dataset, {5, 2, 0}, 8).Bytes(torch::arange(3)).sizes(),
            (std::vector<int64_t>{3, 3, 8, 8}));
}

TEST(PatchStore, ReadsThePackedFileUntilTheDatasetChanges) {
  const TempFolder folder;
  const fs::path path = MakeTinyDataset(folder / "tiny"), packed = path / "cache" / "patches-16.safetensors";
  const torch::Tensor first = PatchStore::Open(Dataset::Open(path.string()), {3}, 0).Bytes(torch::tensor({0}));
  const auto time = fs::last_write_time(packed);
  const Dataset again = Dataset::Open(path.string());
  EXPECT_TRUE(PatchStore::Open(again, {3}, 0).Bytes(torch::tensor({0})).equal(first));
  EXPECT_EQ(fs::last_write_time(packed), time);
  // A byte of a pixel.
  std::string bytes = Slurp(packed);
  bytes[bytes.size() - 5] = static_cast<char>(bytes[bytes.size() - 5] ^ 8);
  Spill(packed, bytes);
  EXPECT_TRUE(PatchStore::Open(again, {3}, 0).Bytes(torch::tensor({0})).equal(first));
  // Another image of observation 3.
  fs::copy_file(again.PatchPath(4), again.PatchPath(3), fs::copy_options::overwrite_existing);
  const Dataset changed = Dataset::Open(path.string());
  const torch::Tensor now = PatchStore::Open(changed, {3, 4}, 0).Bytes(torch::arange(2));
  EXPECT_TRUE(now[0].equal(now[1]));
  EXPECT_FALSE(now[0].equal(first[0]));
}

TEST(PatchStore, HoldsThemInMemoryWhereNothingCanBeWritten) {
  const TempFolder folder;
  const fs::path path = MakeTinyDataset(folder / "tiny");
  const Dataset dataset = Dataset::Open(path.string());
  const torch::Tensor expected = PatchStore::Open(dataset, {5, 2}, 0).Bytes(torch::arange(2));
  fs::remove_all(path / "cache");
  Spill(path / "cache", "no folder");
  EXPECT_TRUE(PatchStore::Open(dataset, {5, 2}, 0).Bytes(torch::arange(2)).equal(expected));
  CatchError("MEMORY", [&] { PatchStore::Open(dataset, {0, 1, 2, 3}, 60000000); });
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
