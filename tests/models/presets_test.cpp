#include <gtest/gtest.h>

#include <functional>

#include "genvinci/core/error.h"
#include "genvinci/models/autoencoder.h"
#include "genvinci/models/conditioner.h"
#include "genvinci/models/gene_transformer.h"
#include "genvinci/models/model_options.h"
#include "genvinci/models/unet.h"
#include "models/testing.h"

namespace genvinci {
namespace presets_test {

TEST(ModelPreset, EveryOneIsConsistentAndSurvivesJson) {
  for (const std::string& size : kModelSizes) {
    const ModelOptions options = ModelPreset(size);
    EXPECT_NO_THROW(CheckModels(options)) << size;
    ModelOptions read;
    FromJson(ToJson(options), read, "");
    EXPECT_EQ(ToJson(read), ToJson(options));
  }
}

TEST(ModelPreset, OffersTheNearestName) {
  try {
    ModelPreset("smal");
    ADD_FAILURE();
  } catch (const ConfigError& error) {
    EXPECT_EQ(error.name(), "MODEL_SIZE");
    EXPECT_NE(std::string(error.what()).find("small"), std::string::npos);
  }
}

// Images of 64 px through every part.
TEST(ModelPreset, PartsFitEachOther) {
  const torch::NoGradGuard no_grad;
  for (const char* size : {"tiny", "small"}) {
    const ModelOptions options = ModelPreset(size);
    const torch::Tensor tokens = torch::randint(1, 100, {1, 20}, torch::kInt64);
    const torch::Tensor hidden = GeneTransformer(options.transformer)(tokens);
    const Condition condition = MakeConditioner(options.conditioner, options.transformer)->forward({hidden, tokens});
    Autoencoder autoencoder(options.autoencoder);
    const torch::Tensor latents = autoencoder->Encode(torch::randn({1, 3, 64, 64})).mean_BCHW;
    const torch::Tensor denoised =
        UNet(options.unet)(latents, torch::tensor({3}), condition.context_BLD, condition.time_BT);
    EXPECT_EQ(autoencoder->Decode(denoised).sizes(), (std::vector<int64_t>{1, 3, 64, 64})) << size;
  }
}

TEST(E2eModelPreset, BaseHasAboutHundredMillionParameters) {
  const ModelOptions options = ModelPreset("base");
  const int64_t count = CountParameters(*UNet(options.unet)) + CountParameters(*Autoencoder(options.autoencoder)) +
                        CountParameters(*GeneTransformer(options.transformer)) +
                        CountParameters(*MakeConditioner(options.conditioner, options.transformer));
  EXPECT_GT(count, 80e6);
  EXPECT_LT(count, 130e6);
}

TEST(CheckModels, NamesWhatDoesNotFit) {
  const std::vector<std::pair<std::string, std::function<void(ModelOptions&)>>> cases = {
      {"transformer.heads", [](ModelOptions& o) { o.transformer.heads = 3; }},
      {"unet.heads", [](ModelOptions& o) { o.unet.heads = 5; }},
      {"conditioner.context_dim", [](ModelOptions& o) { o.conditioner.context_dim = 33; }},
      {"conditioner.time_dim", [](ModelOptions& o) { o.conditioner.time_dim = 33; }},
      {"autoencoder.latent_channels", [](ModelOptions& o) { o.autoencoder.latent_channels = 3; }},
      {"autoencoder.channel_mult", [](ModelOptions& o) { o.autoencoder.channel_mult = {}; }},
      {"unet.channel_mult",
       [](ModelOptions& o) {
         o.unet.channel_mult = {1, 0};
       }},
      {"unet.attention_downsamples", [](ModelOptions& o) { o.unet.attention_downsamples = {3}; }},
      {"unet.attention_downsamples", [](ModelOptions& o) { o.unet.attention_downsamples = {-1}; }},
  };
  for (const auto& [key, spoil] : cases) {
    ModelOptions options = ModelPreset("tiny");
    spoil(options);
    try {
      CheckModels(options);
      ADD_FAILURE() << key;
    } catch (const ConfigError& error) {
      EXPECT_EQ(error.name(), "MODEL_SIZES");
      EXPECT_NE(std::string(error.what()).find(key), std::string::npos) << error.what();
    }
  }
}

}  // namespace presets_test
}  // namespace genvinci
