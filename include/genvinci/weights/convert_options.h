#pragma once

#include <string>

#include "genvinci/core/options.h"
#include "genvinci/core/run_folder.h"

namespace genvinci {

struct ConvertOptions {
  CommonOptions common;
  std::string weights;
  std::string format;
  std::string dtype = "keep";
  std::string model_config;
  bool ema = false;

  template <typename Visitor>
  void Fields(Visitor& v) {
    v("common", common, "");
    v("weights", weights,
      "safetensors or PyTorch file, index of shards, folder of Hugging Face or diffusers, genvinci run or checkpoint");
    v("format", format,
      "what to write to --output: genvinci (a checkpoint folder), diffusers (a folder with unet/ and vae/), compvis (a "
      ".ckpt or .safetensors file), huggingface (a folder)",
      Choices{{"genvinci", "diffusers", "compvis", "huggingface"}});
    v("dtype", dtype, "type of the floating tensors", Choices{{"keep", "fp32", "fp16", "bf16"}});
    v("model_config", model_config, "config.json to read in place of the one beside the weights");
    v("ema", ema, "take the UNet's averaged weights (model_ema.) of a checkpoint that holds both");
  }
};

}  // namespace genvinci
