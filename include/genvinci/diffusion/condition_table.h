#pragma once

#include <torch/torch.h>

#include <optional>
#include <string>
#include <vector>

#include "genvinci/checkpoint/run_state.h"
#include "genvinci/data/dataset.h"
#include "genvinci/data/neighbours.h"
#include "genvinci/diffusion/pipeline.h"
#include "genvinci/models/profile_embedder.h"

namespace genvinci {

// The tensors that conditioners read besides gene tokens, for any observations of a dataset.
class ConditionTable {
 public:
  // LoadVectors' and FindNeighbours' errors.
  ConditionTable(const Dataset& dataset, const ConditionSources& sources);

  // The sizes of a new model that reads this.
  void SetSizes(ModelOptions& models) const;
  // DataError CONDITION_SIZES where a trained model reads something else.
  void RequireSizes(const ModelOptions& models) const;

  // Neighbours are read as their vectors, or as the mean of their hidden states (`profiles`: of every observation;
  // needed before Second where neighbours have no vectors). `is_frozen`: the transformer does not change, so that each
  // is worked out once. No gradient reaches the transformer this way.
  void ReadNeighboursBy(ProfileEmbedder profiles, bool is_frozen);

  torch::Tensor Vectors(const std::vector<int64_t>& observations) const;  // (B, V); undefined without `vector`
  ExtraInputs Extra(const std::vector<int64_t>& observations);

 private:
  torch::Tensor Embed(const std::vector<int64_t>& observations);
  torch::Tensor MeanStates(const std::vector<int64_t>& observations) const;

  torch::Tensor vectors_NV_, second_NV_;
  Neighbours neighbours_;
  std::optional<ProfileEmbedder> profiles_;
  bool is_frozen_ = false;
  torch::Tensor embeddings_NE_;
  std::vector<bool> is_known_;  // rows of embeddings_NE_
};

}  // namespace genvinci
