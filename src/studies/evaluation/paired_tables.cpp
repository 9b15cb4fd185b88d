#include "evaluation_data.h"

namespace genvinci {
namespace {

int64_t CountUndefined(const torch::Tensor& values_NS) { return values_NS.nanmean(1).isnan().sum().item<int64_t>(); }

PairedScore Score(const EvaluationData& data, size_t m) {
  PairedScore score{kPairedMetrics[m], {}};
  const auto add = [&](const SourceScores& source) {
    const torch::Tensor& values_NS = source.paired_NS[m];
    if (!values_NS.defined()) return;
    score.estimates.Add(source.key, data.resampler.Mean(values_NS));
    if (const int64_t count = CountUndefined(values_NS)) score.undefined.emplace_back(source.key, count);
  };
  for (const SourceScores& source : data.sources) add(source);
  add(data.shuffled);
  const torch::Tensor& own_NS = data.generated().paired_NS[m];
  const torch::Tensor& other_NS = data.shuffled.paired_NS[m];
  const double sign = score.metric.higher_is_better ? 1 : -1;
  if (own_NS.defined() && other_NS.defined()) score.gap = data.resampler.Mean(sign * (own_NS - other_NS));
  return score;
}

}  // namespace

std::vector<PairedScore> PairedScores(const EvaluationData& data) {
  std::vector<PairedScore> scores;
  for (size_t m = 0; m < kPairedMetrics.size(); ++m) {
    PairedScore score = Score(data, m);
    if (!score.estimates.empty()) scores.push_back(std::move(score));
  }
  return scores;
}

}  // namespace genvinci
