#include "genvinci/tensor/tensor_cache.h"

#include <gtest/gtest.h>

#include "core/temp_folder.h"
#include "genvinci/core/error.h"
#include "genvinci/tensor/stored_rows.h"

namespace genvinci {
namespace tensor_cache_test {

TEST(TensorCache, KeepsAndNoticesWhatIsStaleOrDamaged) {
  const TempFolder folder;
  const fs::path path = folder / "cache" / "x.safetensors";
  const TensorCache cache(path, "key 1", "x");
  EXPECT_EQ(cache.Open(), nullptr);
  const torch::Tensor values = torch::arange(12, torch::kFloat32).view({3, 4});
  cache.Keep({{"b", values.t()}, {"a", torch::tensor({7})}});
  const auto kept = cache.Open();
  ASSERT_NE(kept, nullptr);
  EXPECT_TRUE(ToTensor(kept->View("b")).equal(values.t()));
  EXPECT_EQ(TensorCache(path, "key 2", "x").Open(), nullptr);
  // Every flipped byte of values, and one of the header.
  const std::string whole = Slurp(path);
  for (size_t at = whole.size() - values.nbytes() - 8; at < whole.size(); ++at) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    Spill(path, damaged);
    EXPECT_EQ(cache.Open(), nullptr) << at;
  }
  Spill(path, whole.substr(0, 40));
  EXPECT_EQ(cache.Open(), nullptr);
  cache.Keep({{"a", torch::tensor({1})}});
  EXPECT_NE(cache.Open(), nullptr);
}

TEST(TensorCache, KeepsRowsThatComeInPieces) {
  const TempFolder folder;
  const fs::path path = folder / "cache" / "x.safetensors";
  const TensorCache cache(path, "key", "x");
  const torch::Tensor a = torch::rand({7, 2, 3}), b = torch::arange(7, torch::kUInt8);
  const std::vector<TensorShape> shapes = {{"a", DType::kF32, {7, 2, 3}}, {"b", DType::kU8, {7}}};
  ASSERT_TRUE(cache.KeepRows(shapes, [&](const TensorCache::PutRows& put) {
    put("b", 0, b.narrow(0, 0, 5));
    put("a", 4, a.narrow(0, 4, 3));
    put("a", 0, a.narrow(0, 0, 4));
    put("b", 5, b.narrow(0, 5, 2));
  }));
  const auto kept = cache.Open();
  ASSERT_NE(kept, nullptr);
  EXPECT_TRUE(ToTensor(kept->View("a")).equal(a));
  EXPECT_TRUE(ToTensor(kept->View("b")).equal(b));
  const StoredRows rows(kept, "a");
  EXPECT_EQ(rows.size(), 7);
  const torch::Tensor wanted = torch::tensor({6, 0, 6});
  EXPECT_TRUE(rows.Read(wanted).equal(a.index_select(0, wanted)));
  // It is the file that would have been written at once.
  const std::string in_pieces = Slurp(path);
  cache.Keep({{"a", a}, {"b", b}});
  EXPECT_EQ(Slurp(path), in_pieces);
}

TEST(TensorCache, RowsThatFailLeaveTheFileAsItWas) {
  const TempFolder folder;
  const fs::path path = folder / "x.safetensors";
  const TensorCache cache(path, "key", "x");
  cache.Keep({{"a", torch::tensor({7})}});
  const std::string before = Slurp(path);
  const std::vector<TensorShape> shapes = {{"a", DType::kF32, {7}}};
  CatchError("STOPPED_SHORT", [&] {
    cache.KeepRows(shapes, [](const TensorCache::PutRows& put) {
      put("a", 0, torch::zeros({3}));
      throw IoError("STOPPED_SHORT", "the maker's own error");
    });
  });
  EXPECT_EQ(Slurp(path), before);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path()), fs::directory_iterator()), 1);
  // More than any disk holds: nothing is made.
  bool was_made = false;
  EXPECT_FALSE(cache.KeepRows({{"a", DType::kF32, {int64_t{1} << 50}}}, [&](const auto&) { was_made = true; }));
  EXPECT_FALSE(was_made);
}

TEST(StoredRows, GivesWhatMemoryHolds) {
  const torch::Tensor values = torch::rand({5, 3});
  const StoredRows rows(values);
  EXPECT_TRUE(rows.Read(torch::tensor({4, 1})).equal(values.index_select(0, torch::tensor({4, 1}))));
  EXPECT_FALSE(StoredRows().defined());
}

TEST(TensorCache, AFolderThatCannotBeWrittenIsNoError) {
  const TempFolder folder;
  Spill(folder / "file", "x");
  const TensorCache cache(folder / "file" / "x.safetensors", "key", "x");
  cache.Keep({{"a", torch::tensor({1})}});
  EXPECT_FALSE(cache.KeepRows({{"a", DType::kI64, {1}}}, [](const auto&) { FAIL(); }));
}

}  // namespace tensor_cache_test
}  // namespace genvinci
