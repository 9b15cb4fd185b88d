#pragma once

#include <torch/torch.h>

#include <string>
#include <vector>

#include "genvinci/core/json.h"
#include "genvinci/data/dataset.h"
#include "genvinci/studies/resampler.h"
#include "genvinci/studies/scores.h"

namespace genvinci {

// All that the tables of an evaluation are made of.
struct EvaluationData {
  const Dataset& dataset;
  std::vector<int64_t> rows;          // of the observations in the dataset
  std::vector<SourceScores> sources;  // generated, reconstructed, then the baselines
  SourceScores shuffled;              // generated against the real images of others; without values for one observation
  std::vector<int64_t> other;         // whose
  const Resampler& resampler;

  // Domain features, float64; undefined without a domain space.
  torch::Tensor real_NF;
  std::vector<int64_t> train_rows, val_rows;
  torch::Tensor train_NF, val_NF;

  bool has_features() const { return real_NF.defined(); }
  const SourceScores& generated() const { return sources.front(); }
};

// Each returns objects that are merged into evaluation.json (evaluate.h says what they hold).
Json PairedJson(const EvaluationData& data);        // "metrics", "intervals", "shuffle_gap", "undefined"
Json DistributionJson(const EvaluationData& data);  // "metrics", "intervals"
Json LabelJson(const EvaluationData& data);         // "label_agreement"; empty without labels
Json ProportionJson(const EvaluationData& data);    // "composition"; empty without proportions
Json NucleiJson(const EvaluationData& data);        // "nuclei"; empty without counts of nuclei

}  // namespace genvinci
