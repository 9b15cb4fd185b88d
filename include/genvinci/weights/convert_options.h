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
    v.Group("Input");
    v("weights", weights,
      "safetensors or PyTorch file, index of shards, folder of Hugging Face or diffusers, run or checkpoint of "
      "genvinci");
    v.Group("Output");
    v("format", format,
      "what to write to --output: a checkpoint folder (genvinci), a folder with unet/ and vae/ (diffusers), a .ckpt or "
      ".safetensors file (compvis), or a folder (huggingface)",
      Choices{{"genvinci", "diffusers", "compvis", "huggingface"}});
    v("dtype", dtype, "type of the floating-point tensors", Choices{{"keep", "fp32", "fp16", "bf16"}});
    v.Group("Input");
    v("model_config", model_config, "config.json to use instead of the one beside the weights");
    v("ema", ema, "load the averaged weights of a UNet (model_ema.) from a checkpoint that holds both");
  }
};

}  // namespace genvinci
