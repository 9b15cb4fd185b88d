#include "scores.h"

#include <cmath>
#include <limits>

#include "genvinci/metrics/image_metrics.h"

namespace genvinci {
namespace {

double FiniteMean(const torch::Tensor& values) {
  const torch::Tensor finite = values.index({values.isfinite()});
  return finite.numel() == 0 ? std::numeric_limits<double>::quiet_NaN() : finite.mean().item<double>();
}

}  // namespace

void Scores::Add(const torch::Tensor& made_NCHW, const torch::Tensor& real_CHW) {
  const torch::Tensor real_NCHW = real_CHW.unsqueeze(0).expand_as(made_NCHW);
  rows_.push_back(
      {FiniteMean(MeanSquaredError(made_NCHW, real_NCHW)), FiniteMean(PixelCorrelation(made_NCHW, real_NCHW)),
       FiniteMean(PeakSignalToNoise(made_NCHW, real_NCHW)), FiniteMean(StructuralSimilarity(made_NCHW, real_NCHW))});
}

Json Scores::Mean(size_t metric) const {
  double sum = 0;
  for (const auto& row : rows_) sum += std::isnan(row[metric]) ? 0 : row[metric];
  const int64_t defined = static_cast<int64_t>(rows_.size()) - Undefined(metric);
  return defined == 0 ? Json(nullptr) : Json(sum / static_cast<double>(defined));
}

int64_t Scores::Undefined(size_t metric) const {
  int64_t count = 0;
  for (const auto& row : rows_) count += std::isnan(row[metric]) ? 1 : 0;
  return count;
}

}  // namespace genvinci
