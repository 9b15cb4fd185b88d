#pragma once

#include <torch/torch.h>

#include <string>

#include "genvinci/diffusion/pipeline.h"
#include "genvinci/io/safetensors.h"
#include "genvinci/tensor/convert.h"

namespace genvinci {

// Of sizes whose heads and groups follow from their widths, as GenVinci's checkpoints tell no more.
inline PipelineConfig ForeignConfig() {
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
inline std::string TheirName(const std::string& ours) {
  const auto behind = [&](const std::string& start) { return ours.substr(start.size()); };
  if (ours.starts_with("transformer.")) return "cond_stage_model.gf_model." + behind("transformer.");
  if (ours.starts_with("conditioner.time_embed_condtion.")) return "model.diffusion_model." + behind("conditioner.");
  if (ours.starts_with("conditioner.")) return "cond_stage_model." + behind("conditioner.");
  if (ours.starts_with("unet.")) return "model.diffusion_model." + behind("unet.");
  if (ours.starts_with("autoencoder.")) return "first_stage_model." + behind("autoencoder.");
  return "";
}

// Random weights, none of which is zero, in evaluation mode.
inline Pipeline MakeForeignPipeline() {
  const torch::NoGradGuard no_grad;
  torch::manual_seed(6);
  Pipeline pipeline(ForeignConfig());
  for (torch::Tensor& parameter : pipeline->parameters()) parameter.add_(0.05 * torch::randn_like(parameter));
  pipeline->eval();
  return pipeline;
}

// The pipeline's weights as GenVinci names them, but for names that start so; returns `path`.
inline fs::path WriteForeignCheckpoint(const fs::path& path, const Pipeline& pipeline,
                                       const std::string& without = "nothing") {
  NamedTensors tensors = {{"model_state_dict.betas", torch::ones({5})},
                          {"model_state_dict.cond_stage_model.gf_model.bert.pooler.dense.bias", torch::ones({64})}};
  for (const auto& [name, tensor] : StateOf(*pipeline, "")) {
    const std::string theirs = TheirName(name);
    if (!theirs.empty() && !theirs.starts_with(without)) tensors.emplace_back("model_state_dict." + theirs, tensor);
  }
  WriteTensors(path, tensors);
  return path;
}

}  // namespace genvinci
