#pragma once

#include <torch/torch.h>

#include <string>

#include "genvinci/data/dataset.h"
#include "genvinci/diffusion/pipeline.h"
#include "genvinci/models/model_options.h"
#include "genvinci/weights/load_runs.h"

namespace genvinci {

struct TinyRunOptions {
  int64_t img_size = 16;
  std::vector<std::string> channels = {"red", "green", "blue"};
  double condition_dropout = 0.1;
  // As of MakeTinyDataset's observations.
  std::string vector = {}, second_vector = {};
  int64_t neighbours = 0;
  double um_per_px = 0;
};

// What a tiny run drew its grids with.
inline const SamplerOptions kTinySampling = {"ddim", /*steps=*/7, /*eta=*/0, /*guidance=*/1.25};

// A pipeline of size tiny with fixed random weights; none is zero, so that every input has its effect.
inline Pipeline MakeTinyPipeline(const TinyRunOptions& options = {}) {
  PipelineConfig config;
  config.models = ModelPreset("tiny");
  config.models.autoencoder.channels = static_cast<int64_t>(options.channels.size());
  config.img_size = options.img_size;
  config.channels = options.channels;
  config.um_per_px = options.um_per_px;
  config.condition_dropout = config.second_dropout = options.condition_dropout;
  constexpr int64_t kVector = 3;
  if (!options.vector.empty()) config.models.conditioner.kind = "vector";
  if (!options.vector.empty()) config.models.conditioner.vector_dim = kVector;
  config.models.second = {options.neighbours, options.vector.empty() ? config.models.transformer.hidden : kVector,
                          options.second_vector.empty() ? 0 : kVector};
  torch::manual_seed(1);
  Pipeline pipeline(config);
  const torch::NoGradGuard no_grad;
  for (torch::Tensor& parameter : pipeline->parameters()) parameter.add_(0.05 * torch::randn_like(parameter));
  pipeline->latent_scale.fill_(1);
  pipeline->eval();
  return pipeline;
}

// A fine-tuning run with one checkpoint of it; returns `folder`.
inline fs::path MakeTinyRun(const fs::path& folder, const TinyRunOptions& options = {}) {
  const Pipeline pipeline = MakeTinyPipeline(options);
  CheckpointWriter writer(folder, /*step=*/10);
  writer.Tensors("model", StateOf(*pipeline, ""));
  const Json vocabulary = writer.Vocabulary(Vocabulary::GeneformerV1());
  writer.Json(
      "state",
      {{"kind", "ldm"},
       {"pipeline", ToJson(pipeline->config())},
       {"sampling", ToJson(kTinySampling)},
       {"sources",
        {{"conditions",
          {{"vector", options.vector}, {"second_vector", options.second_vector}, {"neighbours", options.neighbours}}}}},
       {"vocabulary", vocabulary}});
  writer.Commit(/*best=*/true);
  return folder;
}

// An alignment run with fixed random weights, as if trained on `dataset`; returns `folder`.
inline fs::path MakeTinyAlignRun(const fs::path& folder, const Dataset& dataset) {
  AlignerConfig config = AlignerPreset("tiny");
  config.patch_encoder.channels = static_cast<int64_t>(dataset.info().channels.size());
  torch::manual_seed(2);
  const Aligner aligner(config);
  CheckpointWriter writer(folder, /*step=*/10);
  writer.Tensors("model", StateOf(*aligner, ""));
  const Json vocabulary = writer.Vocabulary(Vocabulary::GeneformerV1());
  writer.Json("state", {{"kind", "align"},
                        {"aligner", ToJson(config)},
                        {"img_size", dataset.info().img_size},
                        {"channels", dataset.info().channels},
                        {"facts", {{"dataset_fingerprint", dataset.fingerprint()}}},
                        {"vocabulary", vocabulary}});
  writer.Commit(/*best=*/true);
  return folder;
}

}  // namespace genvinci
