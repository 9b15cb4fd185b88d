#include "genvinci/models/denoiser.h"

#include <gmock/gmock.h>

#include "genvinci/core/error.h"
#include "genvinci/models/unet.h"

namespace genvinci {
namespace denoiser_test {

using ::testing::HasSubstr;

TEST(Denoiser, EachOfTheListPredictsInTheShapeItStates) {
  for (const DenoiserEntry& entry : kDenoisers) {
    ModelOptions options = ModelPreset("tiny");
    options.denoiser = entry.name;
    const DenoiserShape shape = ShapeOf(options);
    const auto denoiser = MakeDenoiser(options);
    EXPECT_EQ(denoiser->shape().time_dim, shape.time_dim);
    const int64_t side = 2 * shape.latent_multiple;
    const torch::Tensor x = torch::randn({2, shape.latent_channels, side, side});
    const torch::Tensor out = denoiser->forward(
        x, torch::tensor({0.0F, 999.0F}), torch::randn({2, 3, shape.context_dim}), torch::randn({2, shape.time_dim}));
    EXPECT_EQ(out.sizes(), x.sizes()) << entry.name;
  }
}

TEST(Denoiser, UNetStatesItsOptionsSizes) {
  ModelOptions options = ModelPreset("genvinci-sd15");
  const DenoiserShape shape = ShapeOf(options);
  EXPECT_EQ(shape.time_dim, 1280);
  EXPECT_EQ(shape.context_dim, 768);
  EXPECT_EQ(shape.latent_multiple, 8);
  EXPECT_TRUE(shape.reads_context);
}

TEST(Denoiser, UnknownNameListsTheKnown) {
  ModelOptions options;
  options.denoiser = "unett";
  try {
    MakeDenoiser(options);
    FAIL();
  } catch (const ConfigError& error) {
    EXPECT_EQ(error.name(), "DENOISER");
    EXPECT_THAT(error.what(), HasSubstr("unet"));
  }
}

}  // namespace denoiser_test
}  // namespace genvinci
