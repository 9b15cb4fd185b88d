#include "genvinci/models/conditioner.h"

#include <gtest/gtest.h>

#include "genvinci/core/error.h"
#include "models/testing.h"

namespace genvinci {
namespace conditioner_test {

GeneTransformerConfig Transformer() {
  GeneTransformerConfig config;
  config.hidden = 16;
  config.heads = 4;
  config.max_tokens = 24;
  return config;
}

ConditionerConfig Conditioner(const std::string& kind) {
  return {kind, /*context_tokens=*/7, /*context_dim=*/20, /*time_dim=*/32};
}

TEST(GenvinciConditioner, IsTheReferences) {
  const torch::NoGradGuard no_grad;
  const auto model = MakeConditioner(Conditioner("genvinci"), Transformer());
  EXPECT_TRUE(model->needs_full_length());
  const GoldenTensors golden("models", "conditioner");
  golden.LoadInto(*model);
  const torch::Tensor tokens = torch::ones({4, 24}, torch::kInt64);
  model->eval();
  const Condition eval = model->forward({golden["hidden"], tokens});
  EXPECT_LT(RelativeDifference(eval.context_BLD, golden["context"]), 1e-4);
  EXPECT_LT(RelativeDifference(eval.time_BT, golden["time"]), 1e-4);
  model->train();
  const Condition training = model->forward({golden["hidden"], tokens});
  EXPECT_LT(RelativeDifference(training.context_BLD, golden["training_context"]), 1e-4);
  EXPECT_LT(RelativeDifference(training.time_BT, golden["training_time"]), 1e-4);
}

TEST(GenvinciConditioner, NeedsEveryPosition) {
  const auto model = MakeConditioner(Conditioner("genvinci"), Transformer());
  EXPECT_THROW(model->forward({torch::randn({2, 23, 16}), torch::ones({2, 23}, torch::kInt64)}), InternalError);
}

TEST(GenvinciConditioner, HasTheReferencesShapes) {
  const auto model = MakeConditioner(ConditionerConfig(), GeneTransformerConfig());
  const auto parameters = model->named_parameters();
  EXPECT_EQ(parameters["channel_mapper.0.weight"].sizes(), (std::vector<int64_t>{77, 2048, 1}));
  EXPECT_EQ(parameters["dim_mapper.0.weight"].sizes(), (std::vector<int64_t>{768, 256}));
  EXPECT_EQ(parameters["time_embed_condtion.0.weight"].sizes(), (std::vector<int64_t>{38, 77, 1}));
  EXPECT_EQ(parameters["time_embed_condtion.1.weight"].sizes(), (std::vector<int64_t>{1, 38, 1}));
  EXPECT_EQ(parameters["time_embed_condtion.2.weight"].sizes(), (std::vector<int64_t>{1280, 768}));
}

struct PooledConditioner : public testing::Test {
  std::shared_ptr<ConditionerImpl> model = MakeConditioner(Conditioner("pooled"), Transformer());
  torch::Tensor hidden = torch::randn({2, 6, 16});
  torch::Tensor tokens = torch::tensor({{5, 9, 2, 7, 0, 0}, {1, 2, 3, 4, 5, 6}});
};

TEST_F(PooledConditioner, HasTheShapesAskedFor) {
  EXPECT_FALSE(model->needs_full_length());
  const Condition condition = model->forward({hidden, tokens});
  EXPECT_EQ(condition.context_BLD.sizes(), (std::vector<int64_t>{2, 7, 20}));
  EXPECT_EQ(condition.time_BT.sizes(), (std::vector<int64_t>{2, 32}));
}

TEST_F(PooledConditioner, PaddingChangesNothing) {
  const torch::NoGradGuard no_grad;
  const Condition plain = model->forward({hidden, tokens});
  // What stands at padded positions is of no matter either.
  const torch::Tensor longer = torch::cat({hidden, torch::randn({2, 50, 16}) * 10}, 1);
  const Condition padded = model->forward({longer, torch::constant_pad_nd(tokens, {0, 50})});
  EXPECT_LT(RelativeDifference(padded.context_BLD, plain.context_BLD), 1e-4);
  EXPECT_LT(RelativeDifference(padded.time_BT, plain.time_BT), 1e-5);
}

// In training a profile is seen against its batch; in use it stands alone.
TEST_F(PooledConditioner, EveryRealPositionCounts) {
  const torch::NoGradGuard no_grad;
  model->eval();
  const Condition plain = model->forward({hidden, tokens});
  torch::Tensor changed = hidden.clone();
  changed[0][3] += 1;
  const Condition other = model->forward({changed, tokens});
  EXPECT_GT(RelativeDifference(other.context_BLD[0], plain.context_BLD[0]), 1e-4);
  EXPECT_GT(RelativeDifference(other.time_BT[0], plain.time_BT[0]), 1e-4);
  EXPECT_LT(RelativeDifference(other.context_BLD[1], plain.context_BLD[1]), 1e-6);
}

TEST_F(PooledConditioner, HearsSmallDifferencesBetweenProfiles) {
  const torch::NoGradGuard no_grad;
  const torch::Tensor one = torch::randn({1, 5, 16});
  const torch::Tensor nearly_equal = torch::cat({one, one + 1e-2 * torch::randn({1, 5, 16})});
  const torch::Tensor tokens_BL = torch::full({2, 5}, 2, torch::kInt64);
  const Condition condition = model->forward({nearly_equal, tokens_BL});
  EXPECT_GT(RelativeDifference(condition.context_BLD[0], condition.context_BLD[1]), 0.1);
  EXPECT_GT(RelativeDifference(condition.time_BT[0], condition.time_BT[1]), 0.1);
}

TEST_F(PooledConditioner, TrainsOnABatchOfOne) {
  const Condition condition = model->forward({hidden.slice(0, 0, 1), tokens.slice(0, 0, 1)});
  EXPECT_TRUE(condition.context_BLD.isfinite().all().item<bool>());
}

TEST_F(PooledConditioner, AnEmptyProfileStaysFinite) {
  const Condition condition = model->forward({hidden, torch::zeros_like(tokens)});
  EXPECT_TRUE(condition.context_BLD.isfinite().all().item<bool>());
  EXPECT_TRUE(condition.time_BT.isfinite().all().item<bool>());
}

TEST(Conditioner, EveryParameterLearns) {
  for (const char* kind : {"genvinci", "pooled"}) {
    const auto model = MakeConditioner(Conditioner(kind), Transformer());
    model->eval();  // in training, batch norm takes away what a bias before it adds
    const Condition condition = model->forward({torch::randn({3, 24, 16}), torch::ones({3, 24}, torch::kInt64)});
    (condition.context_BLD.square().mean() + condition.time_BT.square().mean()).backward();
    ExpectGradients(*model);
  }
}

TEST(VectorConditioner, ReadsTheVectorAlone) {
  ConditionerConfig config = Conditioner("vector");
  EXPECT_THROW(MakeConditioner(config, Transformer()), ConfigError);
  config.vector_dim = 5;
  const auto model = MakeConditioner(config, Transformer());
  EXPECT_FALSE(model->needs_full_length());
  model->eval();
  const torch::Tensor vectors = torch::randn({3, 5});
  const Condition condition = model->forward({{}, {}, vectors});
  EXPECT_EQ(condition.context_BLD.sizes(), (std::vector<int64_t>{3, 7, 20}));
  EXPECT_EQ(condition.time_BT.sizes(), (std::vector<int64_t>{3, 32}));
  (condition.context_BLD.square().mean() + condition.time_BT.square().mean()).backward();
  ExpectGradients(*model);
  // One at a time as all at once.
  const Condition alone = model->forward({{}, {}, vectors.slice(0, 1, 2)});
  EXPECT_LT(RelativeDifference(alone.context_BLD[0], condition.context_BLD[1]), 1e-5);
  EXPECT_GT(RelativeDifference(condition.context_BLD[0], condition.context_BLD[1]), 1e-2);
}

TEST(Conditioner, RefusesAnUnknownKind) {
  EXPECT_THROW(MakeConditioner(Conditioner("other"), Transformer()), ConfigError);
}

}  // namespace conditioner_test
}  // namespace genvinci
