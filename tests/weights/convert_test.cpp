#include "genvinci/weights/convert.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "core/temp_folder.h"
#include "genvinci/io/safetensors.h"
#include "genvinci/tensor/convert.h"
#include "genvinci/weights/load.h"

namespace genvinci {
namespace convert_test {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::UnorderedElementsAre;

fs::path Data(const std::string& name) { return fs::path(GENVINCI_SOURCE_DIR "/tests/weights/data") / name; }

class ConvertWeights : public testing::Test {
 protected:
  Json Run(const fs::path& weights, const std::string& format, const std::string& output,
           const std::string& dtype = "keep", const fs::path& config = {}) {
    ConvertOptions options;
    options.weights = weights.string();
    options.format = format;
    options.dtype = dtype;
    options.model_config = config.string();
    options.common.output = (folder_ / output).string();
    return Convert(options);
  }
  // The same tensors, bit by bit, in shape and type.
  static void ExpectEqual(const WeightSource& a, const WeightSource& b) {
    EXPECT_EQ(std::set<std::string>(a.names().begin(), a.names().end()),
              std::set<std::string>(b.names().begin(), b.names().end()));
    for (const std::string& name : a.names()) {
      if (!b.Has(name)) continue;
      const TensorView &x = a.View(name), &y = b.View(name);
      EXPECT_EQ(x.shape, y.shape) << name;
      EXPECT_EQ(x.dtype, y.dtype) << name;
      EXPECT_TRUE(std::equal(x.bytes.begin(), x.bytes.end(), y.bytes.begin(), y.bytes.end())) << name;
    }
  }

  TempFolder folder_;
};

TEST_F(ConvertWeights, DiffusersToCompVisAndBackIsTheSame) {
  fs::create_directories(folder_ / "sd");
  for (const char* part : {"unet", "vae"}) fs::copy(Data(part), folder_ / "sd" / part, fs::copy_options::recursive);
  const Json there = Run(folder_ / "sd", "compvis", "sd.ckpt");
  EXPECT_THAT(there["models"], ElementsAre("unet", "autoencoder"));
  EXPECT_TRUE(there["kept_aside"].empty());
  const WeightSource packed = WeightSource::Open(folder_ / "sd.ckpt");
  EXPECT_TRUE(packed.Has("state_dict.model.diffusion_model.input_blocks.0.0.weight"));
  EXPECT_EQ(packed.Shape("state_dict.first_stage_model.encoder.mid.attn_1.q.weight").size(), 4u);
  // Heads and groups are not in a checkpoint, so they are told.
  Json config = ReadJson(Data("unet/config.json"));
  WriteJson(folder_ / "config_told.json", config);
  Run(folder_ / "sd.ckpt", "diffusers", "again", "keep", folder_ / "config_told.json");
  for (const char* part : {"unet", "vae"})
    ExpectEqual(WeightSource::Open(folder_ / "again", part), WeightSource::Open(folder_ / "sd", part));
  const Json ours = ReadJson(folder_ / "again/unet/config.json");
  for (const char* key : {"block_out_channels", "down_block_types", "up_block_types", "layers_per_block",
                          "attention_head_dim", "cross_attention_dim", "norm_num_groups"})
    EXPECT_EQ(ours[key], config[key]) << key;
}

TEST_F(ConvertWeights, WhatHasNoPlaceIsKeptAsideAndComesBack) {
  Run(Data("vae"), "compvis", "plain.safetensors");
  const WeightSource plain = WeightSource::Open(folder_ / "plain.safetensors");
  NamedTensors tensors = {{"betas", torch::arange(5, torch::kFloat64)},
                          {"cond_stage_model.transformer.x", torch::ones({2}, torch::kFloat16)}};
  for (const std::string& name : plain.names()) tensors.emplace_back(name, ToTensor(plain.View(name)));
  WriteTensors(folder_ / "whole.safetensors", tensors);
  const Json result = Run(folder_ / "whole.safetensors", "diffusers", "folder", "keep", Data("vae/config.json"));
  EXPECT_THAT(result["kept_aside"], UnorderedElementsAre("betas", "cond_stage_model.transformer.x"));
  Run(folder_ / "folder", "compvis", "back.safetensors");
  ExpectEqual(WeightSource::Open(folder_ / "back.safetensors"), WeightSource::Open(folder_ / "whole.safetensors"));
}

TEST_F(ConvertWeights, HuggingFaceThroughGenvinciIsTheSame) {
  Run(Data("bert"), "genvinci", "own");
  const WeightSource own = WeightSource::Open(folder_ / "own");
  EXPECT_EQ(InferGeneTransformer(own, *FindGeneTransformer(own)).heads, 2);
  Run(folder_ / "own", "huggingface", "hf");
  ExpectEqual(WeightSource::Open(folder_ / "hf"), WeightSource::Open(Data("bert")));
  EXPECT_EQ(ReadJson(folder_ / "hf/config.json")["hidden_act"], "gelu");
}

TEST_F(ConvertWeights, ConvertsFloatingTypes) {
  Run(Data("bert"), "huggingface", "wide", "fp32");
  Run(folder_ / "wide", "huggingface", "narrow", "fp16");
  ExpectEqual(WeightSource::Open(folder_ / "narrow"), WeightSource::Open(Data("bert")));
  Run(folder_ / "wide", "huggingface", "brain", "bf16");
  const WeightSource brain = WeightSource::Open(folder_ / "brain"), wide = WeightSource::Open(folder_ / "wide");
  const std::string name = "bert.embeddings.word_embeddings.weight";
  EXPECT_TRUE(torch::equal(ToTensor(brain.View(name)), ToTensor(wide.View(name)).to(torch::kBFloat16)));
}

TEST_F(ConvertWeights, RefusesWhatTheFormatCannotHold) {
  EXPECT_THAT(CatchError("WEIGHTS_MODEL", [&] { Run(Data("bert"), "diffusers", "x"); }).what(), HasSubstr("diffusers"));
  UNetConfig config;
  config.model_channels = 8;
  config.channel_mult = {1};
  config.attention_downsamples = {};
  config.mid_attention = false;
  config.time_scale_shift = true;
  UNet model(config);
  NamedTensors tensors;
  for (const auto& [name, tensor] : StateOf(*model, "")) tensors.emplace_back("unet." + name, tensor);
  fs::create_directories(folder_ / "run");
  WriteTensors(folder_ / "run/model.safetensors", tensors);
  WriteJson(folder_ / "own.json", {{"kind", "weights"}, {"unet", ToJson(config)}});
  CatchError("CONVERT_ARCHITECTURE",
             [&] { Run(folder_ / "run/model.safetensors", "compvis", "y.ckpt", "keep", folder_ / "own.json"); });
  Spill(folder_ / "there.ckpt", "x");
  CatchError("OUTPUT_EXISTS", [&] { Run(Data("vae"), "compvis", "there.ckpt"); });
  EXPECT_EQ(Slurp(folder_ / "there.ckpt"), "x");
}

}  // namespace convert_test
}  // namespace genvinci
