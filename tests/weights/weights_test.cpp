#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <set>

#include "core/temp_folder.h"
#include "genvinci/io/safetensors.h"
#include "genvinci/tensor/convert.h"
#include "genvinci/weights/load.h"

namespace genvinci {
namespace weights_test {

using testing::HasSubstr;

// scripts/golden/weights.py says how the libraries made these.
fs::path Data(const std::string& name) { return fs::path(GENVINCI_SOURCE_DIR "/tests/weights/data") / name; }

class Golden {
 public:
  explicit Golden(const std::string& name) : file_(Data(name + ".safetensors")) {}
  torch::Tensor operator[](const std::string& name) const { return ToTensor(file_.View(name)); }

 private:
  SafetensorsFile file_;
};

void ExpectNear(const torch::Tensor& ours, const torch::Tensor& theirs, double tolerance = 2e-5) {
  ASSERT_EQ(ours.sizes(), theirs.sizes());
  EXPECT_LE((ours - theirs).abs().max().item<double>(), tolerance * theirs.abs().max().item<double>());
}

class Weights : public testing::Test {
 protected:
  // The tensors of a source under other names.
  fs::path Renamed(const fs::path& path, const std::string& prefix,
                   const std::function<std::string(const std::string&)>& rename = {}) {
    const WeightSource source = WeightSource::Open(path);
    NamedTensors tensors;
    for (const std::string& name : source.names())
      tensors.emplace_back(prefix + (rename ? rename(name) : name), ToTensor(source.View(name)));
    WriteTensors(folder_ / "renamed.safetensors", tensors);
    return folder_ / "renamed.safetensors";
  }
  // Writes a module's own (CompVis) names under a prefix.
  fs::path Own(const torch::nn::Module& module, const std::string& prefix, const NamedTensors& more = {}) {
    NamedTensors tensors;
    for (const auto& [name, tensor] : StateOf(module, "")) tensors.emplace_back(prefix + name, tensor);
    tensors.insert(tensors.end(), more.begin(), more.end());
    WriteTensors(folder_ / "own.safetensors", tensors);
    return folder_ / "own.safetensors";
  }
  torch::NoGradGuard no_grad_;
  TempFolder folder_;
};

TEST_F(Weights, UNetOfDiffusers) {
  const Golden golden("unet");
  UNet model = OpenUNet(WeightSource::Open(Data("unet")));
  EXPECT_EQ(model->config().norm_groups, 4);
  EXPECT_EQ(model->config().heads, 2);
  ExpectNear(model(golden["sample"], golden["timestep"], golden["encoder_hidden_states"]), golden["output"]);
}

// float32 weights stay in the file's mapping, which lives as long as the model does, and writes stay the model's own.
TEST_F(Weights, OfTheModelsTypeAreTakenInPlace) {
  UNet narrow = OpenUNet(WeightSource::Open(Data("unet")));  // float16, so converted
  const fs::path path = Own(*narrow, "");
  const auto open = [&] {
    WeightSource source = WeightSource::Open(path);
    source.set_config(ReadJson(Data("unet/config.json")));
    return OpenUNet(source);
  };
  UNet model = open();
  const Golden golden("unet");
  const auto run = [&] { return model(golden["sample"], golden["timestep"], golden["encoder_hidden_states"]); };
  ExpectNear(run(), golden["output"]);
  for (torch::Tensor& parameter : model->parameters()) parameter.zero_();
  EXPECT_EQ(run().abs().max().item<double>(), 0);
  model = open();
  ExpectNear(run(), golden["output"]);
}

TEST_F(Weights, UNetOfCompVisAndGenVinci) {
  const Golden golden("unet");
  UNet model = OpenUNet(WeightSource::Open(Data("unet")));
  for (const char* prefix : {"", "model.diffusion_model.", "state_dict.model.diffusion_model.", "unet.", "module."}) {
    // The reference keeps the conditioner's time path in the UNet.
    const fs::path path = Own(*model, prefix,
                              {{std::string(prefix) + "time_embed_condtion.0.weight", torch::zeros({1})},
                               {"first_stage_model.x", torch::zeros({1})}});
    if (*prefix == '\0') continue;  // without a prefix the other model's tensor would be its own
    WeightSource source = WeightSource::Open(path);
    source.set_config(ReadJson(Data("unet/config.json")));
    UNet again = OpenUNet(source);
    ExpectNear(again(golden["sample"], golden["timestep"], golden["encoder_hidden_states"]), golden["output"]);
  }
}

TEST_F(Weights, AveragedUNetOfCompVis) {
  const Golden golden("unet");
  UNet model = OpenUNet(WeightSource::Open(Data("unet")));
  NamedTensors tensors = {{"model_ema.decay", torch::ones({1})}, {"model_ema.num_updates", torch::ones({1})}};
  for (const auto& [name, tensor] : StateOf(*model, "")) {
    std::string packed = "diffusion_model." + name;
    std::erase(packed, '.');
    tensors.emplace_back("model_ema." + packed, tensor);
  }
  WriteTensors(folder_ / "ema.safetensors", tensors);
  WeightSource source = WeightSource::Open(folder_ / "ema.safetensors");
  source.set_config(ReadJson(Data("unet/config.json")));
  UNet again = OpenUNet(source);
  ExpectNear(again(golden["sample"], golden["timestep"], golden["encoder_hidden_states"]), golden["output"]);
  // Beside others they are taken when they are asked for.
  for (const auto& [name, tensor] : StateOf(*model, ""))
    tensors.emplace_back("model.diffusion_model." + name, torch::zeros_like(tensor));
  WriteTensors(folder_ / "both.safetensors", tensors);
  WeightSource both = WeightSource::Open(folder_ / "both.safetensors");
  both.set_config(source.config());
  EXPECT_EQ(OpenUNet(both)->parameters()[0].abs().sum().item<double>(), 0);
  both.set_wants_averaged(true);
  again = OpenUNet(both);
  ExpectNear(again(golden["sample"], golden["timestep"], golden["encoder_hidden_states"]), golden["output"]);
  WeightSource none = WeightSource::Open(Data("unet"));
  none.set_wants_averaged(true);
  CatchError("WEIGHTS_EMA", [&] { OpenUNet(none); });
}

TEST_F(Weights, AutoencoderOfDiffusersNewAndOld) {
  const Golden golden("vae");
  for (const char* folder : {"vae", "vae_old"}) {
    Autoencoder model = OpenAutoencoder(WeightSource::Open(Data(folder)));
    ExpectNear(model->Moments(golden["x"]), golden["moments"]);
    ExpectNear(model->Decode(golden["moments"].slice(1, 0, 4)), golden["image"]);
  }
}

TEST_F(Weights, AutoencoderOfCompVis) {
  const Golden golden("vae");
  Autoencoder model = OpenAutoencoder(WeightSource::Open(Data("vae")));
  WeightSource source =
      WeightSource::Open(Own(*model, "first_stage_model.", {{"cond_stage_model.y", torch::ones({1})}}));
  source.set_config(ReadJson(Data("vae/config.json")));
  ExpectNear(OpenAutoencoder(source)->Moments(golden["x"]), golden["moments"]);
}

TEST_F(Weights, GeneTransformerOfHuggingFace) {
  const Golden golden("bert");
  GeneTransformer model = OpenGeneTransformer(WeightSource::Open(Data("bert")), /*with_head=*/true);
  const torch::Tensor hidden = model->ForwardMasked(golden["input_ids"], golden["attention_mask"]);
  ExpectNear(hidden, golden["hidden"]);
  ExpectNear(model->MlmLogits(hidden), golden["logits"]);
}

TEST_F(Weights, ShardsWithoutAHead) {
  const Golden golden("bert");
  const WeightSource source = WeightSource::Open(Data("bert_sharded"));
  GeneTransformer model = OpenGeneTransformer(source, /*with_head=*/false);
  ExpectNear(model->ForwardMasked(golden["input_ids"], golden["attention_mask"]), golden["hidden"]);
  EXPECT_THAT(CatchError("WEIGHTS_TENSORS", [&] { OpenGeneTransformer(source, /*with_head=*/true); }).what(),
              HasSubstr("cls.predictions"));
}

TEST_F(Weights, VisionTransformers) {
  for (const char* name : {"vit_timm", "vit_torchvision"}) {
    const Golden golden(name);
    VisionTransformer model = OpenVisionTransformer(WeightSource::Open(Data(name)));
    ExpectNear(model(golden["x"]), golden["output"]);
  }
}

// sin(0.7 i + k) of the k-th name, as in scripts/golden/weights.py.
void FillByFormula(torch::nn::Module& module) {
  std::map<std::string, torch::Tensor> state;
  for (const auto& [name, tensor] : StateOf(module, "")) {
    if (!name.ends_with("num_batches_tracked")) state.emplace(name, tensor);
  }
  double k = 0;
  for (auto& [name, tensor] : state) {
    const torch::Tensor wave =
        torch::sin(0.7 * torch::arange(tensor.numel(), torch::kFloat64) + k++).view(tensor.sizes());
    if (name.ends_with("running_var")) {
      tensor.copy_(1 + 0.5 * wave);
    } else if (tensor.dim() == 4) {
      const torch::Tensor scaled = wave * std::sqrt(3.0 / static_cast<double>(tensor[0].numel()));
      tensor.copy_(name.find("lin") == std::string::npos ? scaled : scaled.abs());
    } else {
      tensor.copy_(name.ends_with("weight") ? 1 + 0.3 * wave : 0.1 * wave);
    }
  }
}

TEST_F(Weights, InceptionOfTorchFidelity) {
  const Golden golden("inception");
  Inception model;
  FillByFormula(*model);
  const fs::path path = Own(*model, "", {{"fc.weight", torch::zeros({2, 2})}});
  ExpectNear(OpenInception(WeightSource::Open(path))->forward(golden["x"]), golden["output"], 1e-4);
}

TEST_F(Weights, LpipsOfItsPackage) {
  const Golden golden("lpips");
  Lpips model;
  FillByFormula(*model);
  Lpips again = OpenLpips(WeightSource::Open(Own(*model, "", {{"scaling_layer.shift", torch::zeros({3})}})));
  ExpectNear(again(golden["x"], golden["y"]), golden["output"], 1e-5);
}

TEST_F(Weights, MissingSurplusAndMisshapenTensorsAreNamed) {
  const WeightSource good = WeightSource::Open(Data("bert"));
  NamedTensors tensors;
  for (const std::string& name : good.names()) {
    if (name == "bert.encoder.layer.1.output.dense.bias") continue;
    torch::Tensor tensor = ToTensor(good.View(name));
    if (name == "bert.encoder.layer.0.output.LayerNorm.weight") tensor = tensor.slice(0, 0, 3);
    tensors.emplace_back(name, tensor);
  }
  tensors.emplace_back("bert.encoder.layer.1.output.dense.bais", torch::zeros({16}));
  WriteTensors(folder_ / "bad.safetensors", tensors);
  WeightSource source = WeightSource::Open(folder_ / "bad.safetensors");
  source.set_config(good.config());
  const Error error = CatchError("WEIGHTS_TENSORS", [&] { OpenGeneTransformer(source, true); });
  EXPECT_THAT(error.what(), testing::AllOf(HasSubstr("bad.safetensors: 3 of its tensors"),
                                           HasSubstr("layer.1.output.dense.bias is missing"),
                                           HasSubstr("layer.1.output.dense.bais"), HasSubstr("is not in the model"),
                                           HasSubstr("has shape [3], the model [16]"), HasSubstr("--partial")));
  GeneTransformer model{nullptr};
  EXPECT_NO_THROW(model = OpenGeneTransformer(source, true, {.partial = true}));
  EXPECT_TRUE(torch::equal(model->named_parameters()["bert.embeddings.LayerNorm.weight"],
                           ToTensor(good.View("bert.embeddings.LayerNorm.weight")).to(torch::kFloat32)));
}

TEST_F(Weights, WhatHoldsNoModelIsRefused) {
  WriteTensors(folder_ / "none.safetensors", {{"a", torch::zeros({1})}});
  const WeightSource source = WeightSource::Open(folder_ / "none.safetensors");
  EXPECT_THAT(CatchError("WEIGHTS_MODEL", [&] { OpenUNet(source); }).what(), HasSubstr("no UNet"));
  EXPECT_THAT(CatchError("WEIGHTS_MODEL", [&] { OpenInception(source); }).what(), HasSubstr("Inception"));
  Spill(folder_ / "text.bin", "hello");
  CatchError("WEIGHTS_UNKNOWN", [&] { WeightSource::Open(folder_ / "text.bin"); });
  CatchError("WEIGHTS_UNKNOWN", [&] { WeightSource::Open(folder_.path()); });
  CatchError("FILE_MISSING", [&] { WeightSource::Open(folder_ / "gone.bin"); });
}

// The reference keeps the time path with its UNet, so a conditioner alone may lack it.
TEST_F(Weights, ConditionerWithoutItsTimePath) {
  GeneTransformerConfig transformer;
  transformer.hidden = 16;
  transformer.max_tokens = 24;
  const ConditionerConfig config{.context_tokens = 6, .context_dim = 8, .time_dim = 12, .semantic_dim = 4};
  const auto conditioner = MakeConditioner(config, transformer);
  conditioner->eval();
  NamedTensors tensors;
  for (const auto& [name, tensor] : StateOf(*conditioner, "")) {
    if (!name.starts_with("time_")) tensors.emplace_back("cond_stage_model." + name, tensor);
  }
  WriteTensors(folder_ / "cond.safetensors", tensors);
  const WeightSource source = WeightSource::Open(folder_ / "cond.safetensors");
  EXPECT_FALSE(HasTimePath(source));
  const torch::Tensor hidden = torch::randn({2, 24, 16});
  const Condition ours = OpenConditioner(source, transformer)->forward({hidden}),
                  theirs = conditioner->forward({hidden});
  EXPECT_TRUE(ours.context_BLD.allclose(theirs.context_BLD));
  EXPECT_TRUE(ours.semantic_BE.allclose(theirs.semantic_BE));
}

// A checkpoint without config.json has Stable Diffusion's heads and groups, or is refused.
TEST_F(Weights, WhatTensorsDoNotTellMustFit) {
  UNet model = OpenUNet(WeightSource::Open(Data("unet")));
  const WeightSource bare = WeightSource::Open(Own(*model, ""));
  EXPECT_THAT(CatchError("WEIGHTS_CONFIG", [&] { OpenUNet(bare); }).what(), HasSubstr("norm_num_groups = 32"));
}

TEST_F(Weights, AnIndexMustFitItsShards) {
  WriteTensors(folder_ / "one.safetensors", {{"a", torch::zeros({1})}});
  const auto open = [&](const std::string& map) {
    Spill(folder_ / "model.safetensors.index.json", "{\"weight_map\": " + map + "}");
    return CatchError("WEIGHTS_SHARDS", [&] { WeightSource::Open(folder_ / "model.safetensors.index.json"); });
  };
  EXPECT_THAT(open(R"({"b": "one.safetensors"})").what(), HasSubstr("'b'"));
  open(R"({"a": "../one.safetensors"})");
  open(R"({"a": 5})");
  open("[]");
}

// Every name of the library's own UNet and autoencoder comes out of ours, and no two of ours are one of theirs.
TEST_F(Weights, NamesOfDiffusersAreEachMetOnce) {
  const WeightSource unet = WeightSource::Open(Data("unet")), vae = WeightSource::Open(Data("vae"));
  std::set<std::string> met;
  UNet model = OpenUNet(unet);
  for (const auto& [name, tensor] : StateOf(*model, "")) EXPECT_TRUE(met.insert(DiffusersUNetName(name, 1, 2)).second);
  EXPECT_EQ(met, std::set<std::string>(unet.names().begin(), unet.names().end()));
  met.clear();
  Autoencoder autoencoder = OpenAutoencoder(vae);
  for (const auto& [name, tensor] : StateOf(*autoencoder, ""))
    EXPECT_TRUE(met.insert(DiffusersAutoencoderName(name, 2, /*old_attention=*/false)).second);
  EXPECT_EQ(met, std::set<std::string>(vae.names().begin(), vae.names().end()));
}

}  // namespace weights_test
}  // namespace genvinci
