#pragma once

#include <torch/torch.h>

#include <optional>
#include <string>

#include "genvinci/core/json.h"
#include "genvinci/data/dataset.h"
#include "genvinci/genes/profile_tokens.h"
#include "genvinci/genes/vocabulary.h"
#include "genvinci/models/gene_transformer.h"

namespace genvinci {

// Where the gene side of a network that is to be trained comes from.
struct GeneStart {
  Vocabulary vocabulary;
  std::optional<fs::path> pretraining;  // the run, or Hugging Face's weights; nothing: from scratch

  // `pretrain_mlm_path`: a run's folder or timestamp, a weight file or folder of Hugging Face (Geneformer's), or empty;
  // `vocabulary` as Vocabulary::Open. DataError CKPT_VOCABULARY when the run was trained with another one.
  static GeneStart Open(const std::string& dataset, const std::string& pretrain_mlm_path,
                        const std::string& vocabulary);

  // The pretrained weights, where there are any; sources["transformer"] then names their checkpoint. DataError
  // WEIGHTS_TENSORS where they are of another size.
  void Load(GeneTransformer& transformer, Json& sources) const;
};

// The tokens of every observation, with a log line on their coverage.
ProfileTokens TokensOf(const Dataset& dataset, const Vocabulary& vocabulary, int64_t max_tokens);

// The optimizer passes over its parameters.
void Freeze(torch::nn::Module& module);

}  // namespace genvinci
