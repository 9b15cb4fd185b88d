#pragma once

#include <string>

#include "genvinci/core/options.h"
#include "genvinci/core/run_folder.h"
#include "genvinci/diffusion/diffusion_options.h"

namespace genvinci {

struct ForwardOptions {
  CommonOptions common;
  std::string component;
  std::string weights;
  std::string input;
  std::string model_config;
  bool partial = false;
  bool ema = false;
  SamplerOptions sampling;

  template <typename Visitor>
  void Fields(Visitor& v) {
    v("common", common, "");
    v.Group("Input");
    v("component", component, "the model to run",
      Choices{{"gene_transformer", "mlm", "conditioner", "unet", "vae_encoder", "vae_decoder", "vit", "inception",
               "lpips", "sampler"}});
    v("weights", weights,
      "safetensors or PyTorch file, index of shards, folder of Hugging Face or diffusers, run or checkpoint of "
      "genvinci");
    v("input", input, "safetensors file with the model's inputs");
    v("model_config", model_config, "config.json to use instead of the one beside the weights");
    v("partial", partial, "load the weights that fit and report the rest");
    v("ema", ema, "load the averaged weights of a UNet (model_ema.) from a checkpoint that holds both");
    v("sampling", sampling, "for the component sampler");
  }
};

}  // namespace genvinci
