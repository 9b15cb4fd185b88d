#pragma once

#include <torch/torch.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "genvinci/studies/common/estimates.h"

namespace genvinci {

// One set of resamples for all scores of an evaluation.
class Resampler {
 public:
  // groups: a name an observation; where fewer than two differ there are no intervals over groups. resamples 0: none.
  Resampler(const std::vector<std::string>& groups, int64_t resamples, int64_t seed);

  // The same resamples of some observations alone.
  Resampler Subset(const torch::Tensor& rows_M) const;

  // Of values (N observations, S samples): the mean over observations of their mean over samples. NaNs are left out.
  Estimate Mean(const torch::Tensor& values_NS) const;
  // Of a statistic of sample k under weights (R, N), averaged over samples; it returns (R).
  using Statistic = std::function<torch::Tensor(int64_t k, const torch::Tensor& weights_RN)>;
  Estimate Of(int64_t samples, const Statistic& statistic) const;
  // Of one value a sample, where observations have no value of their own (a distance of distributions).
  Estimate OverSeeds(const torch::Tensor& values_S) const;
  // The interval over observations of such a value, from its statistic (R) under weights (R, N). Rows that are drawn
  // twice shift a distance of distributions, so the statistics are moved to have their mean at `value`.
  using WholeStatistic = std::function<torch::Tensor(const torch::Tensor& weights_RN)>;
  std::optional<Interval> CentredInterval(double value, const WholeStatistic& statistic) const;

 private:
  std::optional<Interval> SeedInterval(const torch::Tensor& values_S) const;

  int64_t n_, resamples_, seed_;
  torch::Tensor rows_RN_, groups_RN_;  // undefined where there are none
};

}  // namespace genvinci
