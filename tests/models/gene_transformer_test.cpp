#include "genvinci/models/gene_transformer.h"

#include <gtest/gtest.h>

#include "genvinci/core/error.h"
#include "models/testing.h"

namespace genvinci {
namespace gene_transformer_test {

GeneTransformerConfig Narrow() {
  return {/*vocabulary_size=*/60, /*hidden=*/32,     /*layers=*/2, /*heads=*/4,
          /*feed_forward=*/48,    /*max_tokens=*/24,
          /*dropout=*/0.1};
}

TEST(GeneTransformer, IsHuggingFacesBert) {
  const torch::NoGradGuard no_grad;
  GeneTransformer model(Narrow());
  const GoldenTensors golden("models", "gene_transformer");
  golden.LoadInto(*model);
  model->eval();
  const torch::Tensor hidden = model(golden["tokens"]);
  EXPECT_LT(RelativeDifference(hidden, golden["hidden"]), 1e-4);
  EXPECT_LT(RelativeDifference(model->MlmLogits(hidden), golden["logits"]), 1e-4);
}

TEST(GeneTransformer, PaddingChangesNothing) {
  const torch::NoGradGuard no_grad;
  GeneTransformer model(Narrow());
  model->eval();
  const torch::Tensor tokens = torch::randint(1, 60, {2, 9}, torch::kInt64);
  const torch::Tensor padded = torch::constant_pad_nd(tokens, {0, 13});
  EXPECT_LT(RelativeDifference(model(padded).slice(1, 0, 9), model(tokens)), 1e-5);
}

TEST(GeneTransformer, RowsDoNotMix) {
  const torch::NoGradGuard no_grad;
  GeneTransformer model(Narrow());
  model->eval();
  const torch::Tensor tokens = torch::randint(0, 60, {3, 20}, torch::kInt64);
  EXPECT_LT(RelativeDifference(model(tokens.slice(0, 1, 2)), model(tokens).slice(0, 1, 2)), 1e-5);
}

TEST(GeneTransformer, EveryParameterLearns) {
  GeneTransformer model(Narrow());
  const torch::Tensor tokens = torch::randint(1, 60, {2, 24}, torch::kInt64);
  const torch::Tensor logits = model->MlmLogits(model(tokens).flatten(0, 1));
  torch::cross_entropy_loss(logits, tokens.flatten()).backward();
  // Softmax takes away what a key's bias adds.
  ExpectGradients(*model,
                  {"bert.encoder.layer.0.attention.self.key.bias", "bert.encoder.layer.1.attention.self.key.bias"});
}

TEST(GeneTransformer, StartsAsBert) {
  torch::manual_seed(1);  // means and deviations of few numbers
  GeneTransformer model(Narrow());
  for (const auto& item : model->named_parameters()) {
    const bool norm = item.key().find("LayerNorm.weight") != std::string::npos;
    const double spread = item.value().dim() == 2 ? 0.02 : 0;
    EXPECT_NEAR(item.value().mean().item<double>(), norm ? 1 : 0, 0.005) << item.key();
    EXPECT_NEAR(item.value().std().item<double>(), spread, 0.006) << item.key();
  }
  EXPECT_EQ(model->named_parameters()["bert.embeddings.word_embeddings.weight"][0].abs().sum().item<double>(), 0);
}

TEST(GeneTransformer, RefusesTooManyTokens) {
  GeneTransformer model(Narrow());
  EXPECT_THROW(model(torch::ones({1, 25}, torch::kInt64)), InternalError);
}

// 25,426 x 256 words, 2,048 positions, 2 types, 6 layers of 527,104, the head of 65,792 + 512 + 25,426.
TEST(GeneTransformer, HasTheReferencesSize) {
  EXPECT_EQ(CountParameters(*GeneTransformer(GeneTransformerConfig())), 10288722);
}

}  // namespace gene_transformer_test
}  // namespace genvinci
