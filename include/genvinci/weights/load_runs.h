#pragma once

#include <torch/torch.h>

#include <optional>
#include <string>
#include <vector>

#include "genvinci/checkpoint/checkpoint.h"
#include "genvinci/checkpoint/run_state.h"
#include "genvinci/data/dataset.h"
#include "genvinci/diffusion/pipeline.h"
#include "genvinci/models/aligner.h"

namespace genvinci {

// A fine-tuned checkpoint ready to generate: EMA weights where there are any, in evaluation mode. `path` as in
// Checkpoint::Open. DataError CKPT_KIND for another kind of run, CKPT_CONFIG, CKPT_TENSORS.
struct LoadedPipeline {
  Pipeline pipeline{nullptr};
  Vocabulary vocabulary;
  Sources sources;
  fs::path path;
};
LoadedPipeline LoadPipeline(const fs::path& path, const torch::Device& device);

// An autoencoder run's network with its config, in evaluation mode, and the mean and scale (1 / standard deviation) of
// each latent channel on its training part.
struct LoadedAutoencoder {
  Autoencoder autoencoder{nullptr};
  torch::Tensor latent_mean_C, latent_scale_C;
  fs::path path;
};
LoadedAutoencoder LoadAutoencoderRun(const fs::path& path, const torch::Device& device);
Autoencoder LoadAutoencoder(const fs::path& path, const torch::Device& device);

// An alignment run's network, in evaluation mode.
struct LoadedAligner {
  Aligner aligner{nullptr};
  genvinci::Vocabulary vocabulary;
  int64_t img_size = 0;
  std::vector<std::string> channels;
  std::string dataset_fingerprint;
  fs::path path;

  // DataError ALIGN_DATASET unless it was trained on this dataset.
  void RequireDataset(const Dataset& dataset) const;
  // DomainFeatures at its own size.
  torch::Tensor Features(const torch::Tensor& images_NCHW) const {
    return DomainFeatures(aligner, images_NCHW, img_size);
  }
};
// The alignment run for a dataset: the one given (as ResolveRun takes it), else the one that the fine-tuned checkpoint
// made from `sources` was judged by, else the dataset's latest under output/; nothing where there is none.
std::optional<fs::path> FindAligner(const std::string& dataset, const std::string& given, const Sources& sources);
LoadedAligner LoadAligner(const fs::path& path, const torch::Device& device);

// A pretraining run's transformer weights into `transformer`; drop-out may differ, the sizes may not (DataError
// CKPT_CONFIG names them). Returns the checkpoint, for its vocabulary.
Checkpoint LoadTransformer(const fs::path& path, GeneTransformer& transformer);

}  // namespace genvinci
