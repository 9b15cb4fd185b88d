#include "genvinci/studies/common/resampler.h"

#include <algorithm>
#include <map>

#include "genvinci/tensor/random.h"

namespace genvinci {
namespace {

// (N): which group each observation is of; undefined when they are all of one.
torch::Tensor GroupIds(const std::vector<std::string>& groups) {
  std::map<std::string, int64_t> id_of;
  std::vector<int64_t> ids;
  for (const std::string& group : groups) {
    ids.push_back(id_of.emplace(group, static_cast<int64_t>(id_of.size())).first->second);
  }
  return id_of.size() < 2 ? torch::Tensor() : torch::tensor(ids, torch::kInt64);
}

}  // namespace

Resampler::Resampler(const std::vector<std::string>& groups, int64_t resamples, int64_t seed)
    : n_(static_cast<int64_t>(groups.size())), resamples_(resamples), seed_(seed) {
  if (resamples == 0) return;
  rows_RN_ = RowWeights(n_, resamples, RandomStream(seed, "bootstrap"));
  const torch::Tensor ids_N = GroupIds(groups);
  if (ids_N.defined()) groups_RN_ = GroupWeights(ids_N, resamples, RandomStream(seed, "bootstrap groups"));
}

Resampler Resampler::Subset(const torch::Tensor& rows_M) const {
  Resampler subset = *this;
  subset.n_ = rows_M.size(0);
  if (rows_RN_.defined()) subset.rows_RN_ = rows_RN_.index_select(1, rows_M);
  if (groups_RN_.defined()) subset.groups_RN_ = groups_RN_.index_select(1, rows_M);
  return subset;
}

Estimate Resampler::Mean(const torch::Tensor& values_NS) const {
  const torch::Tensor values_N = values_NS.nanmean(1);
  Estimate estimate =
      Of(1, [&](int64_t, const torch::Tensor& weights_RN) { return WeightedMeans(values_N, weights_RN); });
  estimate.seeds = SeedInterval(values_NS.nanmean(0));
  return estimate;
}

Estimate Resampler::Of(int64_t samples, const Statistic& statistic) const {
  const auto over_samples = [&](const torch::Tensor& weights_RN) {
    std::vector<torch::Tensor> values;
    for (int64_t k = 0; k < samples; ++k) values.push_back(statistic(k, weights_RN));
    return torch::stack(values, 1);  // (R, S)
  };
  const torch::Tensor values_S = over_samples(torch::ones({1, n_}, torch::kFloat64))[0];
  Estimate estimate;
  estimate.value = values_S.mean().item<double>();
  if (rows_RN_.defined()) estimate.observations = PercentileInterval(over_samples(rows_RN_).mean(1));
  if (groups_RN_.defined()) estimate.groups = PercentileInterval(over_samples(groups_RN_).mean(1));
  estimate.seeds = SeedInterval(values_S);
  return estimate;
}

Estimate Resampler::OverSeeds(const torch::Tensor& values_S) const {
  return {values_S.mean().item<double>(), std::nullopt, std::nullopt, SeedInterval(values_S)};
}

std::optional<Interval> Resampler::CentredInterval(double value, const WholeStatistic& statistic) const {
  if (!rows_RN_.defined()) return std::nullopt;
  const torch::Tensor statistics_R = statistic(rows_RN_);
  const double shift = value - statistics_R.mean().item<double>();
  const Interval interval = PercentileInterval(statistics_R);
  return Interval{interval.low + shift, interval.high + shift};
}

std::optional<Interval> Resampler::SeedInterval(const torch::Tensor& values_S) const {
  if (resamples_ == 0 || values_S.numel() < 2) return std::nullopt;
  const torch::Tensor weights_RS = RowWeights(values_S.numel(), resamples_, RandomStream(seed_, "bootstrap seeds"));
  return PercentileInterval(WeightedMeans(values_S, weights_RS));
}

}  // namespace genvinci
