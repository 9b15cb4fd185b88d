#include <cmath>

#include "evaluation_data.h"

namespace genvinci {
namespace {

int64_t CountUndefined(const torch::Tensor& values_NS) { return values_NS.nanmean(1).isnan().sum().item<int64_t>(); }

class PairedTable {
 public:
  explicit PairedTable(const EvaluationData& data) : data_(data) {}

  Json Make() {
    for (size_t m = 0; m < kPairedMetrics.size(); ++m) {
      for (const SourceScores& source : data_.sources) Add(m, source);
      Add(m, data_.shuffled);
      AddGap(m);
    }
    return {{"metrics", metrics_}, {"intervals", intervals_}, {"shuffle_gap", gaps_}, {"undefined", undefined_}};
  }

 private:
  void Add(size_t m, const SourceScores& source) {
    const torch::Tensor& values_NS = source.paired_NS[m];
    if (!values_NS.defined()) return;
    const char* metric = kPairedMetrics[m].key;
    const Json estimate = data_.resampler.Mean(values_NS).ToJson();
    metrics_[metric][source.key] = estimate["value"];
    intervals_[metric][source.key] = estimate;
    if (const int64_t count = CountUndefined(values_NS)) undefined_[metric][source.key] = count;
  }

  void AddGap(size_t m) {
    const torch::Tensor& own_NS = data_.generated().paired_NS[m];
    const torch::Tensor& other_NS = data_.shuffled.paired_NS[m];
    if (!own_NS.defined() || !other_NS.defined()) return;
    const double sign = kPairedMetrics[m].higher_is_better ? 1 : -1;
    gaps_[kPairedMetrics[m].key] = data_.resampler.Mean(sign * (own_NS - other_NS)).ToJson();
  }

  const EvaluationData& data_;
  Json metrics_ = Json::object(), intervals_ = Json::object(), gaps_ = Json::object(), undefined_ = Json::object();
};

}  // namespace

Json PairedJson(const EvaluationData& data) { return PairedTable(data).Make(); }

}  // namespace genvinci
