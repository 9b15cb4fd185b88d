#include "genvinci/tensor/tensor_cache.h"

#include <gtest/gtest.h>

#include "core/temp_folder.h"

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

TEST(TensorCache, AFolderThatCannotBeWrittenIsNoError) {
  const TempFolder folder;
  Spill(folder / "file", "x");
  TensorCache(folder / "file" / "x.safetensors", "key", "x").Keep({{"a", torch::tensor({1})}});
}

}  // namespace tensor_cache_test
}  // namespace genvinci
