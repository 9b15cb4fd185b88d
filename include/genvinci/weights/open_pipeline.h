#pragma once

#include <torch/torch.h>

#include <string>

#include "genvinci/core/json.h"
#include "genvinci/genes/vocabulary.h"
#include "genvinci/models/gene_transformer.h"
#include "genvinci/weights/load_runs.h"

namespace genvinci {

// What a user calls a model that draws images.
struct PipelineReference {
  // A fine-tuning run (folder, timestamp or "latest"), one of its checkpoints, or GenVinci's own (checkpoint_<n>.pth).
  std::string checkpoint;
  std::string dataset;     // name under which runs lie in output/
  int64_t img_size = 256;  // px that GenVinci's own draws; a run knows its own
};

// The one door to models that draw: LoadPipeline or OpenForeignPipeline, and their errors.
LoadedPipeline OpenPipeline(const PipelineReference& reference, const torch::Device& device);
// How it draws unless the user says otherwise: as was chosen on val, else as in training; GenVinci's own as GenVinci
// does.
SamplerOptions SamplingOf(const PipelineReference& reference);

// What fine-tuning's --autoencoder_path names: an autoencoder's run, or Stable Diffusion's weights with their own scale
// of latents.
LoadedAutoencoder OpenTrainedAutoencoder(const std::string& dataset, const std::string& reference);

// Where the gene side of a network that is to be trained comes from.
struct PretrainedGenes {
  Vocabulary vocabulary;
  std::string weights;  // the pretraining run or Hugging Face's weights; empty: from scratch

  // `pretrain_mlm_path`: a run's folder or timestamp, a weight file or folder of Hugging Face (Geneformer's), or empty;
  // `vocabulary` as Vocabulary::Open. DataError CKPT_VOCABULARY when the run was trained with another one.
  static PretrainedGenes Open(const std::string& dataset, const std::string& pretrain_mlm_path,
                              const std::string& vocabulary);

  // The pretrained weights, where there are any; sources["transformer"] then names their checkpoint. DataError
  // WEIGHTS_TENSORS where they are of another size.
  void Load(GeneTransformer& transformer, Sources& sources) const;
};

}  // namespace genvinci
