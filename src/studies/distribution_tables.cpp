#include <array>
#include <functional>

#include "evaluation_data.h"
#include "genvinci/metrics/feature_metrics.h"
#include "genvinci/tensor/random.h"

namespace genvinci {
namespace {

constexpr std::array<const char*, 6> kKeys = {"frechet_domain", "kernel_domain", "precision",
                                              "recall",         "density",       "coverage"};

// How the made images of one sample lie to the real ones, in the order of kKeys.
torch::Tensor Compare(const torch::Tensor& real_NF, const torch::Tensor& made_MF) {
  const Neighbourhood balls = NearestBalls(real_NF, made_MF);
  return torch::tensor({FrechetDistance(real_NF, made_MF), KernelDistance(real_NF, made_MF).mean, balls.precision,
                        balls.recall, balls.density, balls.coverage},
                       torch::kFloat64);
}

// Two halves of the real images, at random.
torch::Tensor CompareHalves(const torch::Tensor& real_NF) {
  const torch::Tensor order_N = torch::randperm(real_NF.size(0), RandomStream(0, "halves"), torch::kInt64);
  const int64_t half = real_NF.size(0) / 2;
  return Compare(real_NF.index_select(0, order_N.narrow(0, 0, half)),
                 real_NF.index_select(0, order_N.narrow(0, half, half)));
}

class DistributionTable {
 public:
  explicit DistributionTable(const EvaluationData& data) : data_(data) {}

  Json Make() {
    for (const SourceScores& source : data_.sources) {
      std::vector<torch::Tensor> samples;
      for (const torch::Tensor& made_NF : source.features_NSF.unbind(1))
        samples.push_back(Compare(data_.real_NF, made_NF));
      Add(source.key, torch::stack(samples));
      AddIntervals(source.key, source.features_NSF.select(1, 0));
    }
    if (data_.train_NF.size(0) > 1) Add("real_floor", Compare(data_.real_NF, data_.train_NF).unsqueeze(0));
    Add("real_halves", CompareHalves(data_.real_NF).unsqueeze(0));
    for (const char* key : kKeys) metrics_[key]["shuffled"] = nullptr;  // pairing does not matter
    return {{"metrics", metrics_}, {"intervals", intervals_}};
  }

 private:
  void Add(const std::string& key, const torch::Tensor& values_SM) {
    for (size_t m = 0; m < kKeys.size(); ++m) {
      const Json estimate = data_.resampler.OverSeeds(values_SM.select(1, static_cast<int64_t>(m))).ToJson();
      metrics_[kKeys[m]][key] = estimate["value"];
      intervals_[kKeys[m]][key] = estimate;
    }
  }

  // Over observations, of the first sample's two distances; repeated rows would empty the balls of the others.
  void AddIntervals(const std::string& key, const torch::Tensor& made_NF) {
    const auto add = [&](const char* metric, const Resampler::WholeStatistic& statistic) {
      const auto interval = data_.resampler.CentredInterval(metrics_[metric][key].get<double>(), statistic);
      if (interval) intervals_[metric][key]["ci95"] = {interval->low, interval->high};
    };
    const torch::Tensor& real_NF = data_.real_NF;
    add("frechet_domain",
        [&](const torch::Tensor& weights_RN) { return ResampledFrechetDistances(real_NF, made_NF, weights_RN); });
    add("kernel_domain",
        [&](const torch::Tensor& weights_RN) { return ResampledKernelDistances(real_NF, made_NF, weights_RN); });
  }

  const EvaluationData& data_;
  Json metrics_ = Json::object(), intervals_ = Json::object();
};

}  // namespace

Json DistributionJson(const EvaluationData& data) {
  constexpr int64_t kFewest = 4;  // two in each half
  if (!data.has_features() || data.real_NF.size(0) < kFewest) return Json::object();
  return DistributionTable(data).Make();
}

}  // namespace genvinci
