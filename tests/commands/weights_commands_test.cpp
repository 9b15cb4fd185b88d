#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <cstring>
#include <fstream>

#include "commands/program.h"
#include "core/temp_folder.h"
#include "genvinci/core/json.h"
#include "genvinci/io/safetensors.h"

// `forward`, `convert` and `inspect` on weights that Python's libraries wrote (scripts/golden/weights.py).

namespace genvinci {
namespace weights_commands_test {

using testing::HasSubstr;

const std::string kData = GENVINCI_SOURCE_DIR "/tests/weights/data/";

std::vector<float> Floats(const fs::path& path, const std::string& name) {
  const SafetensorsFile file(path);
  const TensorView& view = file.View(name);
  EXPECT_EQ(view.dtype, DType::kF32);
  std::vector<float> values(view.bytes.size() / sizeof(float));
  std::memcpy(values.data(), view.bytes.data(), view.bytes.size());
  return values;
}

class E2eWeights : public testing::Test {
 protected:
  Outcome Run(const std::string& arguments) { return Genvinci(folder_.path(), arguments); }
  Json Good(const std::string& arguments) {
    const Outcome outcome = Run(arguments + " --json");
    EXPECT_EQ(outcome.code, 0) << arguments << "\n" << outcome.err;
    return outcome.code == 0 ? ParseJson(outcome.out, "stdout") : Json::object();
  }
  // The largest difference of two files' tensors, relative to the largest value.
  double Difference(const std::string& ours, const fs::path& theirs) {
    const std::vector<float> a = Floats(folder_ / ours, "output"), b = Floats(theirs, "output");
    EXPECT_EQ(a.size(), b.size());
    double difference = 0, largest = 0;
    for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
      difference = std::max(difference, std::abs(static_cast<double>(a[i]) - b[i]));
      largest = std::max(largest, std::abs(static_cast<double>(b[i])));
    }
    return difference / largest;
  }
  TempFolder folder_;
};

TEST_F(E2eWeights, ForwardGivesPythonsNumbers) {
  Good("forward --component unet --weights " + kData + "unet --input " + kData +
       "unet.safetensors --output u.safetensors");
  EXPECT_LT(Difference("u.safetensors", kData + "unet.safetensors"), 2e-5);
  Good("forward --component vit --weights " + kData + "vit_timm/open_clip_model.safetensors --input " + kData +
       "vit_timm.safetensors --output v.safetensors");
  EXPECT_LT(Difference("v.safetensors", kData + "vit_timm.safetensors"), 2e-5);
}

TEST_F(E2eWeights, ConvertedThereAndBackIsTheSame) {
  const std::string config = " --model_config " + kData + "unet/config.json";
  Good("convert --weights " + kData + "unet --format compvis --output sd.ckpt");
  const Json inspected = Good("inspect sd.ckpt");
  EXPECT_EQ(inspected["kind"], "PyTorch checkpoint");
  EXPECT_THAT(inspected["models"]["unet"].get<std::string>(), HasSubstr("model.diffusion_model."));
  Good("forward --component unet --weights sd.ckpt --input " + kData + "unet.safetensors --output u.safetensors" +
       config);
  EXPECT_LT(Difference("u.safetensors", kData + "unet.safetensors"), 2e-5);
  Good("convert --weights sd.ckpt --format diffusers --output back" + config);
  const SafetensorsFile before(kData + "unet/diffusion_pytorch_model.safetensors");
  const SafetensorsFile after(folder_ / "back/unet/diffusion_pytorch_model.safetensors");
  EXPECT_THAT(after.names(), testing::UnorderedElementsAreArray(before.names()));
  for (const std::string& name : before.names()) {
    EXPECT_EQ(after.Shape(name), before.Shape(name)) << name;
    EXPECT_TRUE(std::ranges::equal(after.View(name).bytes, before.View(name).bytes)) << name;
  }
}

// Each is told at once, in one line, and nothing is written.
TEST_F(E2eWeights, WhatCannotBeReadIsRefusedSoon) {
  const std::string good = ReadFile(kData + "unet/diffusion_pytorch_model.safetensors");
  const std::string torch = ReadFile(kData + "vit_torchvision/pytorch_model.bin");
  const std::vector<std::pair<std::string, std::string>> files = {
      {"empty.safetensors", ""},
      {"cut.safetensors", good.substr(0, good.size() / 2)},
      {"header.safetensors", std::string(7, '\xff') + '\x7f' + good.substr(8)},
      {"cut.ckpt", torch.substr(0, torch.size() / 2)},
      {"text.ckpt", "not a checkpoint"},
      {"pickle.ckpt", "\x80\x02cos\nsystem\nX\x08\x00\x00\x00touch hi\x85R."},
      {"index.json", "{"},
  };
  for (const auto& [name, bytes] : files) {
    std::ofstream(folder_ / name, std::ios::binary) << bytes;
    const auto start = std::chrono::steady_clock::now();
    const Outcome outcome = Run("forward --component unet --weights " + name + " --input " + kData +
                                "unet.safetensors --output out.safetensors");
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    EXPECT_EQ(outcome.code, 65) << name << outcome.err;
    EXPECT_THAT(LastLine(outcome.err), testing::StartsWith("genvinci: error[")) << name;
    EXPECT_THAT(LastLine(outcome.err), HasSubstr(name));
    EXPECT_LT(took.count(), 2) << name;
    EXPECT_FALSE(fs::exists(folder_ / "out.safetensors")) << name;
  }
  EXPECT_FALSE(fs::exists(folder_ / "hi"));
}

TEST_F(E2eWeights, WhatDoesNotFitIsListed) {
  ExpectError(Run("forward --component unet --weights " + kData + "vae --input " + kData +
                  "unet.safetensors --output out.safetensors"),
              65, "WEIGHTS_MODEL", "UNet");
  // One is missing, and one goes by another name.
  const SafetensorsFile file(kData + "unet/diffusion_pytorch_model.safetensors");
  std::vector<std::pair<std::string, TensorView>> tensors;
  for (const std::string& name : file.names()) {
    if (name == "conv_out.bias") continue;
    tensors.emplace_back(name == "conv_norm_out.bias" ? "conv_norm_out.bais" : name, file.View(name));
  }
  fs::create_directories(folder_ / "broken");
  WriteSafetensors(folder_ / "broken/diffusion_pytorch_model.safetensors", tensors);
  fs::copy(kData + "unet/config.json", folder_ / "broken/config.json");
  const std::string command =
      "forward --component unet --weights broken --input " + kData + "unet.safetensors --output out.safetensors";
  const Outcome refused = Run(command);
  ExpectError(refused, 65, "WEIGHTS_TENSORS", "conv_out.bias is missing");
  EXPECT_THAT(LastLine(refused.err), HasSubstr("did you mean"));
  EXPECT_THAT(LastLine(refused.err), HasSubstr("conv_norm_out.bais is not in the model"));
  const Outcome partial = Run(command + " --partial");
  EXPECT_EQ(partial.code, 0) << partial.err;
  EXPECT_THAT(partial.err, HasSubstr("conv_out.bias is missing"));
  EXPECT_TRUE(fs::exists(folder_ / "out.safetensors"));
}

}  // namespace weights_commands_test
}  // namespace genvinci
