#include "genvinci/models/unet.h"

#include <gtest/gtest.h>

#include "genvinci/core/error.h"
#include "genvinci/nn/memory_format.h"
#include "models/testing.h"

namespace genvinci {
namespace unet_test {

constexpr auto kChannelsLast = at::MemoryFormat::ChannelsLast;

UNetConfig Narrow(const std::vector<int64_t>& attention_downsamples = {1, 2}) {
  return {/*latent_channels=*/4, /*model_channels=*/8,  {1, 2},
          /*res_blocks=*/2,      attention_downsamples, /*heads=*/2,
          /*context_dim=*/12,    /*space_to_depth=*/1,  /*mid_attention=*/true,
          /*dropout=*/0};
}

struct Inputs {
  torch::Tensor latents = torch::randn({3, 4, 8, 8});
  torch::Tensor timesteps = torch::tensor({0, 400, 999});
  torch::Tensor context = torch::randn({3, 5, 12});
  torch::Tensor time = torch::randn({3, 32});
};

void ExpectGolden(const std::string& name, const UNetConfig& config) {
  const torch::NoGradGuard no_grad;
  UNet model(config);
  const GoldenTensors golden("models", name);
  golden.LoadInto(*model);
  for (const bool channels_last : {false, true}) {
    if (channels_last) UseChannelsLast(*model);
    const torch::Tensor plain = model(golden["latents"], golden["timesteps"], golden["context"]);
    EXPECT_LT(RelativeDifference(plain, golden["output_without_time"]), 1e-4);
    const torch::Tensor timed = model(golden["latents"], golden["timesteps"], golden["context"], golden["time"]);
    EXPECT_LT(RelativeDifference(timed, golden["output"]), 1e-4);
    EXPECT_GT(RelativeDifference(timed, plain), 1e-2);  // else the check would say little
  }
}

TEST(UNet, IsDiffusersUNet) { ExpectGolden("unet_attention_both", Narrow()); }

TEST(UNet, IsDiffusersUNetWithoutAttentionAtTheLastLevel) { ExpectGolden("unet_attention_fine", Narrow({1})); }

TEST(UNet, StartsAtZero) {
  const torch::NoGradGuard no_grad;
  const Inputs in;
  EXPECT_EQ(UNet(Narrow())(in.latents, in.timesteps, in.context).abs().max().item<double>(), 0);
}

TEST(UNet, MemoryFormatOfTheInputDoesNotMatter) {
  const torch::NoGradGuard no_grad;
  UNet model(Narrow());
  Randomise(*model);
  const Inputs in;
  const torch::Tensor plain = model(in.latents, in.timesteps, in.context, in.time);
  UseChannelsLast(*model);
  const torch::Tensor last = model(in.latents.contiguous(kChannelsLast), in.timesteps, in.context, in.time);
  EXPECT_LT(RelativeDifference(last, plain), 1e-5);
  EXPECT_TRUE(last.is_contiguous(kChannelsLast));
}

TEST(UNet, FoldsSpaceIntoChannels) {
  const torch::NoGradGuard no_grad;
  UNetConfig config = Narrow();
  config.space_to_depth = 2;
  UNet model(config);
  Randomise(*model);
  const Inputs in;
  EXPECT_EQ(model(in.latents, in.timesteps, in.context).sizes(), in.latents.sizes());
  EXPECT_EQ(model->named_parameters()["input_blocks.0.0.weight"].size(1), 16);
  EXPECT_THROW(model(torch::randn({3, 4, 7, 8}), in.timesteps, in.context), InternalError);
}

TEST(UNet, KeepsOddSides) {
  const torch::NoGradGuard no_grad;
  UNet model(Narrow());
  Randomise(*model);
  const Inputs in;
  const torch::Tensor odd = torch::randn({in.latents.size(0), in.latents.size(1), 7, 5});
  EXPECT_EQ(model(odd, in.timesteps, in.context).sizes(), odd.sizes());
}

TEST(UNet, RowsDoNotMix) {
  const torch::NoGradGuard no_grad;
  UNet model(Narrow());
  Randomise(*model);
  const Inputs in;
  const auto row = [](const torch::Tensor& x) { return x.slice(0, 1, 2); };
  const torch::Tensor one = model(row(in.latents), row(in.timesteps), row(in.context), row(in.time));
  EXPECT_LT(RelativeDifference(one, row(model(in.latents, in.timesteps, in.context, in.time))), 1e-5);
}

TEST(UNet, EveryParameterLearns) {
  UNet model(Narrow());
  Randomise(*model);
  const Inputs in;
  torch::Tensor context = in.context.clone().requires_grad_(), time = in.time.clone().requires_grad_();
  model(in.latents, in.timesteps, context, time).square().mean().backward();
  ExpectGradients(*model);
  EXPECT_GT(context.grad().abs().max().item<double>(), 0);
  EXPECT_GT(time.grad().abs().max().item<double>(), 0);
}

// All at one resolution and without attention: the profile is heard through the time embedding alone.
TEST(UNet, WithoutAttentionReadsNoContext) {
  UNetConfig config = Narrow({});
  EXPECT_TRUE(config.HasAttention());
  config.mid_attention = false;
  config.channel_mult = {1};
  EXPECT_FALSE(config.HasAttention());
  UNet model(config);
  Randomise(*model);
  const Inputs in;
  torch::Tensor context = in.context.clone().requires_grad_(), time = in.time.clone().requires_grad_();
  model(in.latents, in.timesteps, context, time).square().mean().backward();
  ExpectGradients(*model);
  EXPECT_FALSE(context.grad().defined());
  EXPECT_GT(time.grad().abs().max().item<double>(), 0);
}

// The count is a polynomial in the width c and the context's d: c^2, c, c d and a constant. Narrow ones give it.
TEST(UNet, HasStableDiffusionsSize) {
  const auto count = [](int64_t width, int64_t context) {
    UNetConfig config;
    config.model_channels = width;
    config.context_dim = context;
    return CountParameters(*UNet(config));
  };
  const int64_t n = 320 / 8;
  const int64_t c8 = count(8, 8);
  const int64_t at_320 =
      (n - 2) * (n - 3) / 2 * c8 - (n - 1) * (n - 3) * count(16, 8) + (n - 1) * (n - 2) / 2 * count(24, 8);
  const int64_t per_width_and_context = (count(8, 16) - c8) / (8 * 8);
  EXPECT_EQ(at_320 + per_width_and_context * 320 * (768 - 8), 859520964);
}

// Takes 3.4 GB.
TEST(E2eReferenceUNet, RunsAtFullSize) {
  const torch::NoGradGuard no_grad;
  UNet model{UNetConfig()};
  EXPECT_EQ(CountParameters(*model), 859520964);
  const torch::Tensor out = model(torch::randn({1, 4, 8, 8}), torch::tensor({500}), torch::randn({1, 77, 768}));
  EXPECT_EQ(out.sizes(), (std::vector<int64_t>{1, 4, 8, 8}));
}

}  // namespace unet_test
}  // namespace genvinci
