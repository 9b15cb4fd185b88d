#include "genvinci/studies/common/scores.h"

#include <limits>

#include "genvinci/metrics/image_metrics.h"

namespace genvinci {
namespace {

torch::Tensor FiniteOrNan(const torch::Tensor& values) {
  return values.where(values.isfinite(),
                      torch::scalar_tensor(std::numeric_limits<double>::quiet_NaN(), torch::kFloat64));
}

}  // namespace

void PixelScores::Add(const torch::Tensor& made_NCHW, const torch::Tensor& real_CHW) {
  const torch::Tensor real_NCHW = real_CHW.unsqueeze(0).expand_as(made_NCHW);
  rows_[0].push_back(FiniteOrNan(MeanSquaredError(made_NCHW, real_NCHW)));
  rows_[1].push_back(FiniteOrNan(PixelCorrelation(made_NCHW, real_NCHW)));
  rows_[2].push_back(FiniteOrNan(PeakSignalToNoise(made_NCHW, real_NCHW)));
  rows_[3].push_back(FiniteOrNan(StructuralSimilarity(made_NCHW, real_NCHW)));
}

torch::Tensor FeatureDistances(const torch::Tensor& made_NSF, const torch::Tensor& real_NF) {
  return (made_NSF - real_NF.unsqueeze(1)).norm(2, 2);
}

torch::Tensor OtherFeatureDistances(const torch::Tensor& made_NSF, const torch::Tensor& real_NF) {
  const int64_t n = made_NSF.size(0), samples = made_NSF.size(1);
  const torch::Tensor all = torch::cdist(made_NSF.flatten(0, 1), real_NF).sum(1).view({n, samples});
  return (all - FeatureDistances(made_NSF, real_NF)) / static_cast<double>(n - 1);
}

}  // namespace genvinci
