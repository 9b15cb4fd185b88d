#include <array>
#include <utility>

#include "evaluation_data.h"
#include "genvinci/metrics/feature_metrics.h"
#include "genvinci/tensor/random.h"

namespace genvinci {
namespace {

constexpr std::array<std::pair<const char*, const char*>, 6> kDistributions = {{{"frechet_domain", "Frechet distance"},
                                                                                {"kernel_domain", "kernel distance"},
                                                                                {"precision", "precision"},
                                                                                {"recall", "recall"},
                                                                                {"density", "density"},
                                                                                {"coverage", "coverage"}}};
constexpr size_t kFrechet = 0, kKernel = 1;

// How the made images of one sample lie to the real ones, in the order of kDistributions.
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
  explicit DistributionTable(const EvaluationData& data) : data_(data) {
    for (const auto& [key, title] : kDistributions) scores_.push_back({key, title, {}});
  }

  std::vector<DistributionScore> Make() {
    for (const SourceScores& source : data_.sources) {
      std::vector<torch::Tensor> samples;
      for (const torch::Tensor& made_NF : source.features_NSF.unbind(1))
        samples.push_back(Compare(data_.real_NF, made_NF));
      Add(source.key, torch::stack(samples), source.features_NSF.select(1, 0));
    }
    if (data_.train_NF.size(0) > 1) Add("real_floor", Compare(data_.real_NF, data_.train_NF).unsqueeze(0), {});
    Add("real_halves", CompareHalves(data_.real_NF).unsqueeze(0), {});
    return std::move(scores_);
  }

 private:
  // first_NF: features of the first sample, whose two distances have intervals over observations (repeated rows would
  // empty the balls of the others); undefined: without.
  void Add(const std::string& key, const torch::Tensor& values_SM, const torch::Tensor& first_NF) {
    for (size_t m = 0; m < scores_.size(); ++m) {
      Estimate estimate = data_.resampler.OverSeeds(values_SM.select(1, static_cast<int64_t>(m)));
      if (first_NF.defined() && m == kFrechet)
        estimate.observations = data_.resampler.CentredInterval(estimate.value, [&](const torch::Tensor& weights_RN) {
          return ResampledFrechetDistances(data_.real_NF, first_NF, weights_RN);
        });
      if (first_NF.defined() && m == kKernel)
        estimate.observations = data_.resampler.CentredInterval(estimate.value, [&](const torch::Tensor& weights_RN) {
          return ResampledKernelDistances(data_.real_NF, first_NF, weights_RN);
        });
      scores_[m].estimates.Add(key, estimate);
    }
  }

  const EvaluationData& data_;
  std::vector<DistributionScore> scores_;
};

}  // namespace

std::vector<DistributionScore> DistributionScores(const EvaluationData& data) {
  constexpr int64_t kFewest = 4;  // two in each half
  if (!data.has_features() || data.real_NF.size(0) < kFewest) return {};
  return DistributionTable(data).Make();
}

}  // namespace genvinci
