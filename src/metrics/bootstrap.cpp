#include "genvinci/metrics/bootstrap.h"

#include <cmath>
#include <limits>
#include <tuple>

#include "doubles.h"
#include "genvinci/core/error.h"

namespace genvinci {
namespace {

void CheckRows(const torch::Tensor& numbers_N, const torch::Tensor& weights_RN) {
  GENVINCI_CHECK(numbers_N.dim() == 1 && weights_RN.dim() == 2 && weights_RN.size(1) == numbers_N.size(0),
                 "{} rows have weights of {} dimensions, {} long", numbers_N.numel(), weights_RN.dim(),
                 weights_RN.size(-1));
}

// numpy's: the share `at` of the way through the sorted numbers. Equal neighbours may be infinite.
double Percentile(const torch::Tensor& sorted, double at) {
  const double place = at * static_cast<double>(sorted.size(0) - 1);
  const auto index = static_cast<int64_t>(place);
  const double below = sorted[index].item<double>(), part = place - std::floor(place);
  if (part == 0) return below;
  const double above = sorted[index + 1].item<double>();
  return below == above ? below : below + part * (above - below);
}

}  // namespace

torch::Tensor RowWeights(int64_t n, int64_t resamples, torch::Generator generator) {
  GENVINCI_CHECK(n >= 1 && resamples >= 1, "{} resamples of {} rows", resamples, n);
  torch::Tensor weights_RN = torch::zeros({resamples, n}, torch::kFloat64);
  const torch::Tensor one = torch::ones({n}, torch::kFloat64);
  for (int64_t r = 0; r < resamples; ++r)
    weights_RN[r].index_add_(0, torch::randint(n, {n}, generator, torch::kInt64), one);
  return weights_RN;
}

torch::Tensor GroupWeights(const torch::Tensor& groups_N, int64_t resamples, torch::Generator generator) {
  GENVINCI_CHECK(groups_N.dim() == 1 && groups_N.scalar_type() == torch::kInt64, "groups of {} dimensions",
                 groups_N.dim());
  const auto [ids_G, group_of_N, counts] =
      at::_unique2(groups_N.cpu(), /*sorted=*/true, /*return_inverse=*/true, /*return_counts=*/false);
  return RowWeights(ids_G.size(0), resamples, generator).index_select(1, group_of_N);
}

torch::Tensor WeightedMeans(const torch::Tensor& values_N, const torch::Tensor& weights_RN) {
  CheckRows(values_N, weights_RN);
  const torch::Tensor values = Doubles(values_N), weights = Doubles(weights_RN);
  // 0 times infinity is NaN, so infinite values are counted apart.
  const torch::Tensor finite = torch::where(values.isfinite(), values, 0.0);
  const torch::Tensor columns_N4 =
      torch::stack({finite, values.isnan().logical_not().to(torch::kFloat64), values.isposinf().to(torch::kFloat64),
                    values.isneginf().to(torch::kFloat64)},
                   1);
  const auto sums = weights.matmul(columns_N4).unbind(1);
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  return sums[0] / sums[1] + torch::where(sums[2] > 0, kInfinity, 0.0) - torch::where(sums[3] > 0, kInfinity, 0.0);
}

torch::Tensor BalancedAccuracies(const torch::Tensor& truth_N, const torch::Tensor& predicted_N,
                                 const torch::Tensor& weights_RN) {
  CheckRows(truth_N, weights_RN);
  CheckRows(predicted_N, weights_RN);
  GENVINCI_CHECK(truth_N.scalar_type() == torch::kInt64 && predicted_N.scalar_type() == torch::kInt64,
                 "labels are not int64");
  const torch::Tensor truth = truth_N.cpu(), weights = Doubles(weights_RN);
  const torch::Tensor classes_C = std::get<0>(at::_unique(truth.masked_select(truth != -1)));
  const torch::Tensor member_NC = truth.unsqueeze(1) == classes_C;
  const torch::Tensor right_NC = member_NC & (truth == predicted_N.cpu()).unsqueeze(1);
  const torch::Tensor recalls_RC = weights.matmul(Doubles(right_NC)) / weights.matmul(Doubles(member_NC));
  return recalls_RC.nanmean(1);  // a class that was not drawn is 0 / 0
}

Interval PercentileInterval(const torch::Tensor& statistics_R, double level) {
  GENVINCI_CHECK(statistics_R.dim() == 1 && level > 0 && level < 1, "statistics of {} dimensions, level {}",
                 statistics_R.dim(), level);
  const torch::Tensor all = Doubles(statistics_R);
  const torch::Tensor sorted = std::get<0>(all.masked_select(all.isnan().logical_not()).sort());
  if (sorted.size(0) == 0) return {std::nan(""), std::nan("")};
  return {Percentile(sorted, (1 - level) / 2), Percentile(sorted, (1 + level) / 2)};
}

}  // namespace genvinci
