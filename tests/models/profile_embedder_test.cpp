#include "genvinci/models/profile_embedder.h"

#include <gtest/gtest.h>

#include "genvinci/models/model_options.h"

namespace genvinci {
namespace profile_embedder_test {
namespace {

TEST(PadTokens, PadsToTheLongestAndCuts) {
  const ProfileTokens profiles = ProfileTokens::Of({{5}, {3, 4, 9}});
  EXPECT_TRUE(torch::equal(PadTokens(profiles, 8, /*full=*/false), torch::tensor({{5, 0, 0}, {3, 4, 9}})));
  EXPECT_TRUE(torch::equal(PadTokens(profiles, 2, /*full=*/false), torch::tensor({{5, 0}, {3, 4}})));
  EXPECT_TRUE(torch::equal(PadTokens(profiles, 5, /*full=*/true), torch::tensor({{5, 0, 0, 0, 0}, {3, 4, 9, 0, 0}})));
  EXPECT_EQ(PadTokens(ProfileTokens::Of({{}}), 8, /*full=*/false).size(1), 1);
}

TEST(ProfileEmbedder, ReadsTheProfilesAskedFor) {
  at::manual_seed(1);
  GeneTransformerConfig config = ModelPreset("tiny").transformer;
  config.vocabulary_size = 100;
  GeneTransformer transformer(config);
  transformer->eval();
  const torch::NoGradGuard no_grad;
  const ProfileEmbedder profiles(transformer, ProfileTokens::Of({{5, 9, 77, 12}, {31, 8}, {44, 6, 3}}));
  const EncodedProfiles found = profiles.Encode({2, 1});
  const torch::Tensor tokens_BL = torch::tensor({{44, 6, 3}, {31, 8, 0}});
  EXPECT_TRUE(found.tokens_BL.equal(tokens_BL));
  EXPECT_TRUE(found.hidden_BLD.equal(transformer->forward(tokens_BL)));
  const ProfileEmbedder full(transformer, profiles.tokens(), /*full_length=*/true);
  EXPECT_EQ(full.Padded({1}).size(1), config.max_tokens);
}

}  // namespace
}  // namespace profile_embedder_test
}  // namespace genvinci
