#pragma once

#include <torch/torch.h>

#include "genvinci/data/dataset.h"

namespace genvinci {

// Every profile of a dataset as scanpy's usual recipe has it, fitted on the training part alone: counts scaled to
// 10,000 a profile, log(1 + x), the 2,000 genes of largest variance, centred, on the first 50 principal components (or
// as many as there are).
struct ExpressionSpace {
  torch::Tensor scores_NK;  // float32, of every observation in the dataset's order
  torch::Tensor scale_K;    // their standard deviations in the training part

  // DataError MEMORY.
  static ExpressionSpace Fit(const Dataset& dataset);
};

}  // namespace genvinci
