#include "genvinci/studies/common/memorisation.h"

#include <gtest/gtest.h>

#include "genvinci/data/patch_store.h"

namespace genvinci {
namespace memorisation_test {

torch::Tensor Images(int64_t n, int64_t seed) {
  torch::manual_seed(static_cast<uint64_t>(seed));
  return torch::upsample_nearest2d(torch::randint(256, {n, 3, 8, 8}).to(torch::kFloat32), {16, 16}).to(torch::kUInt8);
}

Memorisation::Result Compare(const torch::Tensor& train, const torch::Tensor& real, const torch::Tensor& generated) {
  return Memorisation(Memorisation::Thumbnails(train))
      .Compare(Memorisation::Thumbnails(real), Memorisation::Thumbnails(generated));
}

TEST(Memorisation, FlagsCopiesUnderAnySymmetry) {
  const torch::Tensor train = Images(60, 1), real = Images(40, 2);
  torch::Tensor generated = Images(40, 3);
  EXPECT_FALSE(Compare(train, real, generated).copies);
  EXPECT_EQ(Compare(train, real, generated).close_share, 0.0);
  generated[5] = Dihedral(train.narrow(0, 7, 1), 6)[0];
  generated[9] = train[11];
  const Memorisation::Result result = Compare(train, real, generated);
  EXPECT_DOUBLE_EQ(result.close_share, 2.0 / 40);
  EXPECT_TRUE(result.copies);
}

TEST(Memorisation, DistancesAreRootMeanSquares) {
  const torch::Tensor black = torch::zeros({1, 3, 16, 16}, torch::kUInt8);
  const torch::Tensor grey = torch::full({2, 3, 16, 16}, 51, torch::kUInt8);
  const Memorisation::Result result = Compare(black, grey, grey);
  EXPECT_NEAR(result.real, 0.2, 1e-6);
  EXPECT_NEAR(result.threshold, 0.1, 1e-6);
}

}  // namespace memorisation_test
}  // namespace genvinci
