#pragma once

#include <torch/torch.h>

#include <optional>
#include <string>
#include <vector>

#include "evaluation_result.h"
#include "genvinci/data/dataset.h"
#include "genvinci/studies/common/resampler.h"
#include "genvinci/studies/common/scores.h"

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

std::vector<PairedScore> PairedScores(const EvaluationData& data);
// Empty without a domain space, or with fewer than 4 observations.
std::vector<DistributionScore> DistributionScores(const EvaluationData& data);
// Nothing where the dataset has no labels, proportions or counts of nuclei.
std::optional<LabelScore> ScoreLabels(const EvaluationData& data);
std::optional<ValueScore> ScoreProportions(const EvaluationData& data);
std::optional<ValueScore> ScoreNuclei(const EvaluationData& data);

}  // namespace genvinci
