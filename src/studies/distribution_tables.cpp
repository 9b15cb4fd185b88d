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

}  // namespace

Json DistributionJson(const EvaluationData& data) {
  constexpr int64_t kFewest = 4;  // two in each half
  Json metrics = Json::object(), intervals = Json::object();
  if (!data.has_features() || data.real_NF.size(0) < kFewest) return {{"metrics", metrics}, {"intervals", intervals}};
  const auto add = [&](const std::string& key, const torch::Tensor& values_SM) {
    for (size_t m = 0; m < kKeys.size(); ++m) {
      const Json estimate = data.resampler.OverSeeds(values_SM.select(1, static_cast<int64_t>(m))).ToJson();
      metrics[kKeys[m]][key] = estimate["value"];
      intervals[kKeys[m]][key] = estimate;
    }
  };
  for (const SourceScores& source : data.sources) {
    std::vector<torch::Tensor> samples;
    for (const torch::Tensor& made_NF : source.features_NSF.unbind(1))
      samples.push_back(Compare(data.real_NF, made_NF));
    add(source.key, torch::stack(samples));
  }
  if (data.train_NF.size(0) > 1) add("real_floor", Compare(data.real_NF, data.train_NF).unsqueeze(0));
  add("real_halves", CompareHalves(data.real_NF).unsqueeze(0));
  for (const char* key : kKeys) metrics[key]["shuffled"] = nullptr;  // pairing does not matter
  return {{"metrics", metrics}, {"intervals", intervals}};
}

}  // namespace genvinci
