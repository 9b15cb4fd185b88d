#pragma once

#include <torch/torch.h>

#include "genvinci/data/dataset.h"
#include "genvinci/studies/common/expression_space.h"

namespace genvinci {

struct CnnBaselineOptions {
  int64_t img_size = 64;
  int64_t seed = 0;
  torch::Device device = torch::kCPU;
};

struct CnnBaseline {
  torch::Tensor images_NCHW;  // uint8, of the observations asked for
  Json tuning;                // val errors and what was chosen
};

// Images of some observations by the CNN baseline: a GeneDecoder on expression, trained on the training part by squared
// plus absolute error, as an addition to the mean training image. The step and the strength of the addition are chosen
// by the squared error on val (on each tenth training patch where there is no val part). What was trained is kept under
// <dataset>/cache, keyed by the dataset's fingerprint and the options.
CnnBaseline DrawCnnBaseline(const Dataset& dataset, const ExpressionSpace& expression,
                            const std::vector<int64_t>& observations, const CnnBaselineOptions& options);

}  // namespace genvinci
