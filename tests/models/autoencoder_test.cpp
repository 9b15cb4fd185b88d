#include "genvinci/models/autoencoder.h"

#include <gtest/gtest.h>

#include "genvinci/core/error.h"
#include "genvinci/nn/memory_format.h"
#include "models/testing.h"

namespace genvinci {
namespace autoencoder_test {

constexpr auto kChannelsLast = at::MemoryFormat::ChannelsLast;

AutoencoderConfig Narrow() {
  return {/*channels=*/3,        /*base_channels=*/8,   {1, 2},
          /*res_blocks=*/2,      /*latent_channels=*/4, /*space_to_depth=*/1,
          /*mid_attention=*/true};
}

AutoencoderConfig Folding() {
  return {/*channels=*/5,         /*base_channels=*/8,   {1, 2},
          /*res_blocks=*/1,       /*latent_channels=*/6, /*space_to_depth=*/2,
          /*mid_attention=*/false};
}

TEST(Autoencoder, IsDiffusersAutoencoderKl) {
  const torch::NoGradGuard no_grad;
  Autoencoder model(Narrow());
  const GoldenTensors golden("models", "autoencoder");
  golden.LoadInto(*model);
  for (const bool channels_last : {false, true}) {
    if (channels_last) UseChannelsLast(*model);
    const DiagonalGaussian posterior = model->Encode(golden["images"]);
    EXPECT_LT(RelativeDifference(posterior.mean_BCHW, golden["mean"]), 1e-4);
    EXPECT_LT(RelativeDifference(posterior.log_variance_BCHW, golden["log_variance"]), 1e-4);
    EXPECT_LT(RelativeDifference(posterior.Kl(), golden["kl"]), 1e-4);
    EXPECT_LT(RelativeDifference(model->Decode(golden["latents"]), golden["decoded"]), 1e-4);
  }
}

TEST(Autoencoder, KeepsShapesAndMemoryFormat) {
  const torch::NoGradGuard no_grad;
  Autoencoder model(Folding());
  UseChannelsLast(*model);
  EXPECT_EQ(model->config().Factor(), 4);
  const DiagonalGaussian posterior = model->Encode(torch::randn({2, 5, 8, 12}));
  EXPECT_EQ(posterior.mean_BCHW.sizes(), (std::vector<int64_t>{2, 6, 2, 3}));
  const torch::Tensor decoded = model->Decode(posterior.mean_BCHW);
  EXPECT_EQ(decoded.sizes(), (std::vector<int64_t>{2, 5, 8, 12}));
  EXPECT_TRUE(decoded.is_contiguous(kChannelsLast));
}

TEST(Autoencoder, RowsDoNotMix) {
  const torch::NoGradGuard no_grad;
  Autoencoder model(Narrow());
  const torch::Tensor images = torch::randn({3, 3, 8, 8});
  const torch::Tensor all = model->Decode(model->Encode(images).mean_BCHW);
  const torch::Tensor one = model->Decode(model->Encode(images.slice(0, 1, 2)).mean_BCHW);
  EXPECT_LT(RelativeDifference(one, all.slice(0, 1, 2)), 1e-5);
}

TEST(Autoencoder, EveryParameterLearns) {
  for (const AutoencoderConfig& config : {Narrow(), Folding()}) {
    Autoencoder model(config);
    const DiagonalGaussian posterior = model->Encode(torch::randn({2, config.channels, 8, 8}));
    const torch::Tensor latents = posterior.Sample(torch::randn_like(posterior.mean_BCHW));
    (model->Decode(latents).square().mean() + posterior.Kl().mean()).backward();
    ExpectGradients(*model, {"encoder.mid.attn_1.k.bias", "decoder.mid.attn_1.k.bias"});
  }
}

TEST(Autoencoder, RefusesOtherSizes) {
  Autoencoder model(Folding());
  EXPECT_THROW(model->Encode(torch::randn({1, 5, 8, 10})), InternalError);
  EXPECT_THROW(model->Encode(torch::randn({1, 3, 8, 8})), InternalError);
}

TEST(DiagonalGaussian, FollowsTheFormulas) {
  const DiagonalGaussian posterior{torch::full({2, 1, 1, 2}, 3.0), torch::full({2, 1, 1, 2}, std::log(4.0))};
  EXPECT_NEAR(posterior.Sample(torch::full({2, 1, 1, 2}, -1.0))[0][0][0][0].item<double>(), 1.0, 1e-6);
  // For each of two values: (9 + 4 - 1 - ln 4) / 2.
  EXPECT_NEAR(posterior.Kl()[1].item<double>(), 12 - std::log(4.0), 1e-5);
}

// The count is a polynomial of degree two in the width: three narrow ones give it at 128.
TEST(Autoencoder, HasStableDiffusionsSize) {
  const auto count = [](int64_t width) {
    AutoencoderConfig config;
    config.base_channels = width;
    return CountParameters(*Autoencoder(config));
  };
  const int64_t n = 128 / 8;
  const int64_t at_128 =
      (n - 2) * (n - 3) / 2 * count(8) - (n - 1) * (n - 3) * count(16) + (n - 1) * (n - 2) / 2 * count(24);
  EXPECT_EQ(at_128, 83653863);
}

}  // namespace autoencoder_test
}  // namespace genvinci
