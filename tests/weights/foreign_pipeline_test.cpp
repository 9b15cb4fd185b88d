#include "genvinci/weights/foreign_pipeline.h"

#include <gtest/gtest.h>

#include "core/temp_folder.h"
#include "genvinci/core/error.h"
#include "genvinci/tensor/convert.h"

namespace genvinci {
namespace foreign_pipeline_test {

// Of sizes whose heads and groups follow from their widths, as GenVinci's checkpoints tell no more.
PipelineConfig Config() {
  PipelineConfig config;
  config.models.transformer.hidden = 64;
  config.models.transformer.layers = 1;
  config.models.transformer.heads = 1;
  config.models.transformer.feed_forward = 32;
  config.models.transformer.max_tokens = 16;
  config.models.conditioner = {.context_tokens = 6, .context_dim = 32, .time_dim = 256, .semantic_dim = 4};
  config.models.autoencoder.base_channels = 64;
  config.models.autoencoder.channel_mult = {1, 2};
  config.models.autoencoder.res_blocks = 1;
  config.models.unet.model_channels = 64;
  config.models.unet.channel_mult = {1, 2};
  config.models.unet.res_blocks = 1;
  config.models.unet.attention_downsamples = {1};
  config.models.unet.context_dim = 32;
  config.img_size = 16;
  config.channels = {"red", "green", "blue"};
  return config;
}

// GenVinci's name of one of a pipeline's tensors; "" for what its checkpoints lack.
std::string TheirName(const std::string& ours) {
  const auto behind = [&](const std::string& start) { return ours.substr(start.size()); };
  if (ours.starts_with("transformer.")) return "cond_stage_model.gf_model." + behind("transformer.");
  if (ours.starts_with("conditioner.time_embed_condtion.")) return "model.diffusion_model." + behind("conditioner.");
  if (ours.starts_with("conditioner.")) return "cond_stage_model." + behind("conditioner.");
  if (ours.starts_with("unet.")) return "model.diffusion_model." + behind("unet.");
  if (ours.starts_with("autoencoder.")) return "first_stage_model." + behind("autoencoder.");
  return "";
}

class ForeignPipeline : public testing::Test {
 protected:
  ForeignPipeline() {
    torch::manual_seed(6);
    pipeline_ = Pipeline(Config());
    for (torch::Tensor& parameter : pipeline_->parameters()) parameter.add_(0.05 * torch::randn_like(parameter));
    pipeline_->eval();
  }
  fs::path Write(const std::string& without = "nothing") {
    NamedTensors tensors = {{"model_state_dict.betas", torch::ones({5})},
                            {"model_state_dict.cond_stage_model.gf_model.bert.pooler.dense.bias", torch::ones({64})}};
    for (const auto& [name, tensor] : StateOf(*pipeline_, "")) {
      const std::string theirs = TheirName(name);
      if (!theirs.empty() && !theirs.starts_with(without)) tensors.emplace_back("model_state_dict." + theirs, tensor);
    }
    WriteTensors(folder_ / "checkpoint_100.safetensors", tensors);
    return folder_ / "checkpoint_100.safetensors";
  }

  torch::NoGradGuard no_grad_;
  TempFolder folder_;
  Pipeline pipeline_{nullptr};
};

TEST_F(ForeignPipeline, DrawsWhatItsOwnerDraws) {
  LoadedPipeline loaded = OpenForeignPipeline(Write(), 16, torch::kCPU);
  SamplerOptions options = ReferenceSampling();
  EXPECT_EQ(options.sampler, "plms");
  options.steps = 4;
  const std::vector<SampleKey> keys = {{1, 2, 3}, {4, 5, 6}};
  const auto draw = [&](Pipeline pipeline) {
    const torch::Tensor tokens_BL = pipeline->PadTokens({{5, 9, 77}, {12, 25425}});
    return pipeline->DecodeImages(pipeline->Sample(pipeline->Encode(tokens_BL), keys, options));
  };
  const torch::Tensor ours = draw(loaded.pipeline), theirs = draw(pipeline_);
  EXPECT_GT(theirs.std().item<double>(), 0.01);
  EXPECT_TRUE(ours.allclose(theirs, 1e-5, 1e-6));
  EXPECT_EQ(loaded.vocabulary.size(), 25426);
}

TEST_F(ForeignPipeline, RefusesAFileThatLacksAPart) {
  for (const char* part : {"first_stage_model.", "model.diffusion_model.", "cond_stage_model."}) {
    const fs::path path = Write(part);
    CatchError("WEIGHTS_MODEL", [&] { OpenForeignPipeline(path, 16, torch::kCPU); });
  }
  CatchError("PIPELINE_IMG_SIZE", [&] { OpenForeignPipeline(Write(), 18, torch::kCPU); });
}

}  // namespace foreign_pipeline_test
}  // namespace genvinci
