#include "genvinci/studies/common/scores.h"

#include <gtest/gtest.h>

#include "core/temp_folder.h"
#include "genvinci/studies/common/cnn_baseline.h"
#include "genvinci/studies/common/expression_space.h"
#include "testing/tiny_dataset.h"

namespace genvinci {
namespace scores_test {

TEST(FeatureDistances, OwnAndOthers) {
  torch::manual_seed(1);
  const torch::Tensor made = torch::randn({5, 2, 3}, torch::kFloat64), real = torch::randn({5, 3}, torch::kFloat64);
  const torch::Tensor own = FeatureDistances(made, real), others = OtherFeatureDistances(made, real);
  for (int64_t i = 0; i < 5; ++i) {
    for (int64_t k = 0; k < 2; ++k) {
      double sum = 0;
      for (int64_t j = 0; j < 5; ++j) {
        const double distance = (made[i][k] - real[j]).square().sum().sqrt().item<double>();
        if (j == i)
          EXPECT_NEAR(own[i][k].item<double>(), distance, 1e-12);
        else
          sum += distance;
      }
      EXPECT_NEAR(others[i][k].item<double>(), sum / 4, 1e-9);
    }
  }
}

TEST(ExpressionSpace, NearestProfilesAreOfTheSameKind) {
  const TempFolder folder;
  const Dataset dataset = Dataset::Open(MakeTinyDataset(folder / "tiny", {.train = 30, .val = 6, .test = 10}).string());
  const ExpressionSpace space = ExpressionSpace::Fit(dataset);
  EXPECT_EQ(space.scores_NK.sizes(), (std::vector<int64_t>{46, 30}));
  // Centred on the training part, whose components do not correlate.
  const torch::Tensor train = space.scores_NK.narrow(0, 0, 30);
  EXPECT_LT(train.mean(0).abs().max().item<double>(), 1e-4);
  const torch::Tensor gram = torch::matmul(train.t(), train) / 30;
  EXPECT_TRUE(gram.diagonal().allclose(space.scale_K.square(), 1e-3, 1e-4));
  EXPECT_LT((gram - torch::diag(gram.diagonal())).abs().max().item<double>(), 1e-3 * gram.max().item<double>());
  const torch::Tensor nearest = torch::cdist(space.scores_NK.narrow(0, 36, 10), train).argmin(1);
  for (int64_t i = 0; i < 10; ++i) EXPECT_EQ(nearest[i].item<int64_t>() % 2, i % 2);
}

TEST(CnnBaseline, BeatsTheMeanImageAndIsKept) {
  const TempFolder folder;
  const Dataset dataset = Dataset::Open(MakeTinyDataset(folder / "tiny", {.train = 30, .val = 6, .test = 10}).string());
  const ExpressionSpace space = ExpressionSpace::Fit(dataset);
  const CnnBaselineOptions options{.img_size = 16};
  const CnnBaseline cnn = DrawCnnBaseline(dataset, space, dataset.Indices(Split::kTest), options);
  EXPECT_EQ(cnn.images_NCHW.sizes(), (std::vector<int64_t>{10, 3, 16, 16}));
  EXPECT_LT(cnn.tuning["val_mse"].get<double>(), 0.5 * cnn.tuning["val_mse_mean_image"].get<double>());
  // Red spots come out red, blue ones blue.
  for (int64_t i = 0; i < 10; ++i) {
    const torch::Tensor mean_C = cnn.images_NCHW[i].to(torch::kFloat32).mean({1, 2});
    EXPECT_EQ(mean_C[0].item<double>() > mean_C[2].item<double>(), i % 2 == 0) << i;
  }
  const auto again = DrawCnnBaseline(dataset, space, dataset.Indices(Split::kTest), options);
  EXPECT_TRUE(again.images_NCHW.equal(cnn.images_NCHW));
  EXPECT_EQ(again.tuning, cnn.tuning);
  const fs::path kept = folder / "tiny/cache/cnn-16-0.safetensors";
  EXPECT_TRUE(fs::exists(kept));
  Spill(kept, "damaged");
  EXPECT_TRUE(
      DrawCnnBaseline(dataset, space, dataset.Indices(Split::kTest), options).images_NCHW.equal(cnn.images_NCHW));
}

}  // namespace scores_test
}  // namespace genvinci
