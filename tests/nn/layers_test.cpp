#include "genvinci/nn/layers.h"

#include <gtest/gtest.h>

#include <cmath>

#include "genvinci/nn/memory_format.h"
#include "genvinci/nn/registry.h"
#include "genvinci/nn/res_block.h"
#include "genvinci/nn/resample.h"
#include "genvinci/nn/spatial_transformer.h"
#include "testing/tensors.h"

namespace genvinci {
namespace layers_test {

constexpr auto kChannelsLast = at::MemoryFormat::ChannelsLast;

TEST(Registry, MakesScopesOnce) {
  torch::nn::Module root;
  RegisterAt(root, "a.b.0", torch::nn::Linear(2, 3));
  RegisterAt(root, "a.b.c", torch::nn::Linear(2, 3));
  ScopeAt(root, "a").register_parameter("bias", torch::zeros({2}));
  std::vector<std::string> names;
  for (const auto& item : root.named_parameters()) names.push_back(item.key());
  EXPECT_EQ(names, (std::vector<std::string>{"a.bias", "a.b.0.weight", "a.b.0.bias", "a.b.c.weight", "a.b.c.bias"}));
}

TEST(NormGroups, IsThirtyTwoWhereItDivides) {
  EXPECT_EQ(NormGroups(320), 32);
  EXPECT_EQ(NormGroups(1920), 32);
  EXPECT_EQ(NormGroups(64), 32);
  EXPECT_EQ(NormGroups(48), 16);
  EXPECT_EQ(NormGroups(24), 8);
  EXPECT_EQ(NormGroups(32), 16);
  EXPECT_EQ(NormGroups(7), 1);
  EXPECT_EQ(NormGroups(1), 1);
}

TEST(Pointwise, IsTheConvolution) {
  const torch::NoGradGuard no_grad;
  torch::nn::Conv2d conv = MakeConv1(6, 5);
  const torch::Tensor expected_input = torch::randn({2, 6, 3, 4});
  const torch::Tensor expected = conv(expected_input);
  for (const auto format : {at::MemoryFormat::Contiguous, kChannelsLast}) {
    const torch::Tensor x = expected_input.contiguous(format);
    EXPECT_LT(RelativeDifference(Pointwise(conv, x), expected), 1e-5);
    const torch::Tensor tokens = PointwiseToTokens(conv, x);
    EXPECT_LT(RelativeDifference(tokens, expected.flatten(2).transpose(1, 2)), 1e-5);
    EXPECT_LT(RelativeDifference(PointwiseFromTokens(conv, ToTokens(x), 3), expected), 1e-5);
  }
  UseChannelsLast(*conv);
  EXPECT_TRUE(Pointwise(conv, expected_input.contiguous(kChannelsLast)).is_contiguous(kChannelsLast));
}

TEST(Tokens, AreViewsOfChannelsLast) {
  const torch::Tensor x = torch::randn({2, 6, 3, 4}).contiguous(kChannelsLast);
  const torch::Tensor tokens = ToTokens(x);
  EXPECT_EQ(tokens.const_data_ptr(), x.const_data_ptr());
  EXPECT_EQ(tokens[1][5][4].item<float>(), x[1][4][1][1].item<float>());
  EXPECT_TRUE(torch::equal(FromTokens(tokens, 3), x));
}

TEST(SpaceToDepth, FoldsAndUnfolds) {
  const torch::Tensor x = torch::arange(2 * 3 * 4 * 6, torch::kFloat32).view({2, 3, 4, 6});
  const torch::Tensor folded = SpaceToDepth(x, 2);
  ASSERT_EQ(folded.sizes(), (std::vector<int64_t>{2, 12, 2, 3}));
  EXPECT_TRUE(folded.is_contiguous(kChannelsLast));
  // Channel c * 4 + 2 * dy + dx holds pixel (2 y + dy, 2 x + dx) of channel c.
  EXPECT_EQ(folded[1][2 * 4 + 2 + 1][1][2].item<float>(), x[1][2][3][5].item<float>());
  EXPECT_TRUE(torch::equal(DepthToSpace(folded, 2), x));
  EXPECT_TRUE(torch::equal(SpaceToDepth(x, 1), x));
}

TEST(TimestepEmbedding, FollowsTheFormula) {
  const int64_t dim = 8;
  const torch::Tensor embedding = TimestepEmbedding(torch::tensor({0, 3, 999}), dim);
  for (int64_t i = 0; i < dim / 2; ++i) {
    const double frequency = std::pow(10000.0, -static_cast<double>(i) / (dim / 2));
    EXPECT_NEAR(embedding[1][i].item<double>(), std::cos(3 * frequency), 1e-6);
    EXPECT_NEAR(embedding[1][dim / 2 + i].item<double>(), std::sin(3 * frequency), 1e-6);
    EXPECT_NEAR(embedding[2][i].item<double>(), std::cos(999 * frequency), 1e-4);
  }
  EXPECT_EQ(TimestepEmbedding(torch::tensor({5}), 7).sizes(), (std::vector<int64_t>{1, 7}));
}

TEST(Resample, HalvesAndDoubles) {
  const torch::Tensor x = torch::randn({2, 4, 6, 8}).contiguous(kChannelsLast);
  for (const auto padding : {DownsamplePadding::kEven, DownsamplePadding::kAfter}) {
    const torch::Tensor half = Downsample(4, padding)(x);
    EXPECT_EQ(half.sizes(), (std::vector<int64_t>{2, 4, 3, 4}));
    EXPECT_TRUE(half.is_contiguous(kChannelsLast));
  }
  const torch::Tensor twice = Upsample(4)(x);
  EXPECT_EQ(twice.sizes(), (std::vector<int64_t>{2, 4, 12, 16}));
  EXPECT_TRUE(twice.is_contiguous(kChannelsLast));
}

// With a kernel of one in its middle, output (0, 0) is the input at the kernel's centre.
TEST(Resample, PadsWhereStableDiffusionDoes) {
  const torch::NoGradGuard no_grad;
  const torch::Tensor x = torch::arange(16, torch::kFloat32).view({1, 1, 4, 4});
  for (const auto& [padding, expected] :
       {std::pair{DownsamplePadding::kEven, 0.0f}, {DownsamplePadding::kAfter, 5.0f}}) {
    Downsample layer(1, padding);
    for (torch::Tensor& parameter : layer->parameters()) parameter.zero_();
    layer->parameters()[0][0][0][1][1] = 1;
    EXPECT_EQ(layer(x)[0][0][0][0].item<float>(), expected);
  }
}

TEST(ResBlock, StartsAsItsSkipPath) {
  const torch::NoGradGuard no_grad;
  ResBlockOptions options;
  options.in = options.out = 8;
  options.time_dim = 4;
  ResBlock block(options);
  block->ZeroLastConv();
  const torch::Tensor x = torch::randn({2, 8, 3, 3});
  EXPECT_TRUE(torch::equal(block(x, torch::randn({2, 4})), x));
}

TEST(ResBlock, TimeReachesNarrowBlocks) {
  const torch::NoGradGuard no_grad;
  for (const int64_t width : {4, 8, 32}) {
    ResBlockOptions options;
    options.in = options.out = width;
    options.time_dim = 4;
    ResBlock block(options);
    const torch::Tensor x = torch::randn({1, width, 3, 3});
    EXPECT_GT(RelativeDifference(block(x, torch::ones({1, 4})), block(x, -torch::ones({1, 4}))), 1e-3);
  }
}

// x + conv2(SiLU(norm2(h) (1 + scale) + shift)), as diffusers' ResnetBlock2D with time_embedding_norm "scale_shift".
TEST(ResBlock, TimeScalesAndShiftsNormalisedFeatures) {
  const torch::NoGradGuard no_grad;
  torch::manual_seed(4);
  ResBlockOptions options;
  options.in = options.out = 8;
  options.time_dim = 5;
  options.time_scale_shift = true;
  ResBlock block(options);
  const auto parameters = block->named_parameters();
  const auto get = [&](const char* name) { return parameters[name]; };
  const torch::Tensor x = torch::randn({2, 8, 4, 4}), time = torch::randn({2, 5});
  const torch::Tensor first = torch::group_norm(x, NormGroups(8), get("in_layers.0.weight"), get("in_layers.0.bias"));
  const torch::Tensor h = torch::conv2d(torch::silu(first), get("in_layers.2.weight"), get("in_layers.2.bias"), 1, 1);
  const torch::Tensor both = torch::linear(time, get("emb_layers.1.weight"), get("emb_layers.1.bias"));
  const torch::Tensor scale = both.slice(1, 0, 8).view({2, 8, 1, 1}), shift = both.slice(1, 8).view({2, 8, 1, 1});
  const torch::Tensor normed =
      torch::group_norm(h, NormGroups(8), get("out_layers.0.weight"), get("out_layers.0.bias"));
  const torch::Tensor expected = x + torch::conv2d(torch::silu(normed * (1 + scale) + shift),
                                                   get("out_layers.3.weight"), get("out_layers.3.bias"), 1, 1);
  EXPECT_LT(RelativeDifference(block(x, time), expected), 1e-5);
}

TEST(ResBlock, DropsOutInTrainingOnly) {
  const torch::NoGradGuard no_grad;
  ResBlockOptions options;
  options.in = options.out = 8;
  options.dropout = 0.5;
  ResBlock block(options);
  const torch::Tensor x = torch::randn({2, 8, 3, 3});
  EXPECT_FALSE(torch::equal(block(x), block(x)));
  block->eval();
  EXPECT_TRUE(torch::equal(block(x), block(x)));
}

TEST(SpatialTransformer, StartsAsTheIdentity) {
  const torch::NoGradGuard no_grad;
  SpatialTransformer layer(16, 12, 2);
  const torch::Tensor x = torch::randn({2, 16, 3, 4}).contiguous(kChannelsLast);
  const torch::Tensor out = layer(x, torch::randn({2, 5, 12}));
  EXPECT_TRUE(torch::equal(out, x));
  EXPECT_TRUE(out.is_contiguous(kChannelsLast));
}

}  // namespace layers_test
}  // namespace genvinci
