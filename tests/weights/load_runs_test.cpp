#include "genvinci/weights/load_runs.h"

#include <gtest/gtest.h>

#include "core/temp_folder.h"

namespace genvinci {
namespace load_runs_test {

PipelineConfig TinyConfig() {
  PipelineConfig config;
  config.models = ModelPreset("tiny");
  config.models.transformer.vocabulary_size = 50;
  config.img_size = 16;
  config.channels = {"red", "green", "blue"};
  return config;
}

Vocabulary TinyVocabulary() {
  std::vector<Vocabulary::Gene> genes;
  for (int32_t token = 2; token < 50; ++token) genes.push_back({token, fmt::format("ENSG{:011}", token), "", 1.0});
  return Vocabulary(genes);
}

void SavePipeline(const fs::path& run, Pipeline& pipeline, const NamedTensors& ema) {
  CheckpointWriter writer(run, 1);
  writer.Tensors("model", StateOf(*pipeline, ""));
  if (!ema.empty()) writer.Tensors("ema", ema);
  Json state = {{"kind", "ldm"}, {"pipeline", ToJson(pipeline->config())}};
  state["vocabulary"] = writer.Vocabulary(TinyVocabulary());
  writer.Json("state", state);
  writer.Commit(/*best=*/true);
}

TEST(LoadPipeline, GivesTheSavedWeightsBitForBit) {
  const TempFolder run;
  Pipeline saved(TinyConfig());
  SavePipeline(run.path(), saved, {});
  const LoadedPipeline loaded = LoadPipeline(run.path(), torch::kCPU);
  EXPECT_FALSE(loaded.pipeline->is_training());
  EXPECT_EQ(loaded.vocabulary.fingerprint(), TinyVocabulary().fingerprint());
  EXPECT_EQ(loaded.pipeline->config().channels, TinyConfig().channels);
  const NamedTensors a = StateOf(*saved, ""), b = StateOf(*loaded.pipeline, "");
  for (size_t i = 0; i < a.size(); ++i) EXPECT_TRUE(a[i].second.equal(b[i].second)) << a[i].first;
}

TEST(LoadPipeline, PrefersAveragedWeights) {
  const TempFolder run;
  Pipeline saved(TinyConfig());
  SavePipeline(run.path(), saved, {{"null_time", torch::full_like(saved->null_time, 7)}});
  EXPECT_EQ(LoadPipeline(run.path(), torch::kCPU).pipeline->null_time[0].item<float>(), 7);
}

TEST(LoadPipeline, RefusesWhatDoesNotFit) {
  const TempFolder run;
  Pipeline saved(TinyConfig());
  CheckpointWriter writer(run.path(), 1);
  writer.Tensors("model", StateOf(*saved, ""));
  PipelineConfig other = TinyConfig();
  other.models.transformer.hidden = 64;
  writer.Json("state", {{"kind", "ldm"}, {"pipeline", ToJson(other)}});
  writer.Commit(/*best=*/true);
  const Error error = CatchError("CKPT_TENSORS", [&] { LoadPipeline(run.path(), torch::kCPU); });
  EXPECT_NE(std::string(error.what()).find("transformer."), std::string::npos) << error.what();
  CatchError("CKPT_KIND", [&] { LoadAutoencoder(run.path(), torch::kCPU); });
}

TEST(LoadPipeline, RefusesAnUnknownConfiguration) {
  const TempFolder run;
  CheckpointWriter writer(run.path(), 1);
  writer.Json("state", {{"kind", "ldm"}, {"pipeline", {{"no_such_key", 1}}}});
  writer.Commit(/*best=*/true);
  EXPECT_EQ(CatchError("CKPT_CONFIG", [&] { LoadPipeline(run.path(), torch::kCPU); }).exit_code(), ExitCode::kBadData);
}

TEST(LoadAutoencoder, GivesWeightsAndLatentStatistics) {
  const TempFolder run;
  const AutoencoderConfig config = ModelPreset("tiny").autoencoder;
  Autoencoder saved(config);
  CheckpointWriter writer(run.path(), 1);
  NamedTensors tensors = StateOf(*saved, "autoencoder");
  tensors.emplace_back("latent_mean", torch::full({config.latent_channels}, 0.5));
  tensors.emplace_back("latent_scale", torch::full({config.latent_channels}, 2.0));
  writer.Tensors("model", tensors);
  writer.Json("state", {{"kind", "autoencoder"}, {"autoencoder", ToJson(config)}});
  writer.Commit(/*best=*/true);
  const LoadedAutoencoder loaded = LoadAutoencoderRun(run.path(), torch::kCPU);
  EXPECT_EQ(loaded.latent_scale_C[1].item<float>(), 2);
  const NamedTensors a = StateOf(*saved, ""), b = StateOf(*loaded.autoencoder, "");
  for (size_t i = 0; i < a.size(); ++i) EXPECT_TRUE(a[i].second.equal(b[i].second)) << a[i].first;
}

TEST(LoadTransformer, RefusesAnotherArchitectureByName) {
  const TempFolder run;
  GeneTransformerConfig config = TinyConfig().models.transformer;
  GeneTransformer saved(config);
  CheckpointWriter writer(run.path(), 1);
  writer.Tensors("model", StateOf(*saved, "transformer"));
  writer.Json("state", {{"kind", "mlm"}, {"transformer", ToJson(config)}});
  writer.Commit(/*best=*/true);
  config.dropout = 0.3;  // may differ
  GeneTransformer same(config);
  LoadTransformer(run.path(), same);
  EXPECT_TRUE(same->parameters()[0].equal(saved->parameters()[0]));
  config.layers = 2;
  GeneTransformer other(config);
  const Error error = CatchError("CKPT_CONFIG", [&] { LoadTransformer(run.path(), other); });
  EXPECT_NE(std::string(error.what()).find("layers 1 (not 2)"), std::string::npos) << error.what();
}

}  // namespace load_runs_test
}  // namespace genvinci
