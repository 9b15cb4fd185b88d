#include "genvinci/models/aligner.h"

#include <gtest/gtest.h>

#include <cmath>

#include "models/testing.h"

namespace genvinci {
namespace aligner_test {

Aligner MakeAligner() {
  torch::manual_seed(3);
  Aligner aligner(AlignerPreset("tiny"));
  aligner->eval();
  return aligner;
}

TEST(Aligner, LossIsTheMeanCrossEntropyOfBothWays) {
  const torch::NoGradGuard no_grad;
  Aligner aligner = MakeAligner();
  aligner->logit_scale.fill_(std::log(2.0));
  const torch::Tensor images = torch::tensor({{1.0, 0.0}, {0.0, 1.0}, {0.6, 0.8}});
  const torch::Tensor profiles = torch::tensor({{0.8, 0.6}, {0.0, 1.0}, {1.0, 0.0}});
  double expected = 0;
  for (int64_t i = 0; i < 3; ++i) {
    double by_image = 0, by_profile = 0;
    for (int64_t j = 0; j < 3; ++j) {
      by_image += std::exp(2 * images[i].dot(profiles[j]).item<double>());
      by_profile += std::exp(2 * images[j].dot(profiles[i]).item<double>());
    }
    expected += (std::log(by_image) + std::log(by_profile) - 4 * images[i].dot(profiles[i]).item<double>()) / 6;
  }
  EXPECT_NEAR(aligner->Loss(images, profiles).item<double>(), expected, 1e-6);
}

TEST(Aligner, TemperatureHasALimit) {
  const torch::NoGradGuard no_grad;
  Aligner aligner = MakeAligner();
  aligner->logit_scale.fill_(20);
  const torch::Tensor one = torch::ones({1, 1});
  EXPECT_NEAR(aligner->Logits(one, one).item<double>(), 100, 1e-4);
}

TEST(Aligner, EmbedsAsUnitVectorsAndIgnoresPadding) {
  const torch::NoGradGuard no_grad;
  Aligner aligner = MakeAligner();
  const torch::Tensor features = aligner->Features(torch::randn({3, 3, 16, 16}));
  EXPECT_EQ(features.sizes(), (std::vector<int64_t>{3, 16}));
  EXPECT_GE(features.min().item<double>(), 0);
  EXPECT_TRUE(aligner->EmbedFeatures(features).norm(2, 1).allclose(torch::ones({3})));
  const auto embed = [&](const torch::Tensor& tokens) {
    return aligner->EmbedProfiles(aligner->transformer->forward(tokens), tokens);
  };
  const torch::Tensor short_ = embed(torch::tensor({{5, 9, 7}})), padded = embed(torch::tensor({{5, 9, 7, 0, 0}}));
  EXPECT_LT(RelativeDifference(padded, short_), 1e-4);
  EXPECT_NEAR(short_.norm().item<double>(), 1, 1e-5);
  EXPECT_GT(RelativeDifference(embed(torch::tensor({{5, 9, 8}})), short_), 1e-4);
}

TEST(Aligner, DomainFeaturesResizeAndDoNotDependOnTheBatch) {
  Aligner aligner = MakeAligner();
  aligner->train();
  const torch::Tensor images = torch::randint(256, {70, 3, 32, 32}, torch::kUInt8);
  const torch::Tensor features = DomainFeatures(aligner, images, 16);
  EXPECT_EQ(features.scalar_type(), torch::kFloat64);
  EXPECT_TRUE(aligner->is_training());
  EXPECT_LT(RelativeDifference(DomainFeatures(aligner, images.narrow(0, 68, 2), 16), features.narrow(0, 68, 2)), 1e-5);
}

TEST(Aligner, ViewsOfOneImageBelongTogether) {
  const torch::NoGradGuard no_grad;
  Aligner aligner = MakeAligner();
  const torch::Tensor features = torch::rand({8, 16}) * 4;
  EXPECT_LT(aligner->ViewLoss(features, features).item<double>(),
            aligner->ViewLoss(features, features.flip(0)).item<double>());
}

}  // namespace aligner_test
}  // namespace genvinci
