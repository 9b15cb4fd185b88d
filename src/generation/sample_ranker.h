#pragma once

#include <torch/torch.h>

#include <vector>

#include "genvinci/data/dataset.h"
#include "genvinci/models/profile_embedder.h"
#include "genvinci/weights/load_runs.h"

namespace genvinci {

// How well images fit their profiles, by an alignment run.
class SampleRanker {
 public:
  // Any dataset will do: the run need not have seen it. DataError GENES_UNMATCHED, PROFILE_EMPTY.
  SampleRanker(LoadedAligner aligner, const Dataset& dataset);

  // Cosines (B), float64, of images in [-1, 1] with the profiles of their observations.
  torch::Tensor Score(const torch::Tensor& images_BCHW, const std::vector<int64_t>& observations) const;

 private:
  LoadedAligner aligner_;
  ProfileEmbedder profiles_;
};

// 1 for the largest score of each row, and so on; equal ones in the order they come.
torch::Tensor RanksOf(const torch::Tensor& scores_NS);

}  // namespace genvinci
