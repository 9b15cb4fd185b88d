#include "genvinci/studies/common/memorisation.h"

#include <cmath>

#include "genvinci/data/patch_store.h"
#include "genvinci/metrics/feature_metrics.h"

namespace genvinci {
namespace {

constexpr int64_t kSide = 8;
constexpr double kClosest = 0.01;
constexpr double kCloseFactor = 0.5;
constexpr double kCopiedShare = 0.01;

}  // namespace

torch::Tensor Memorisation::Thumbnails(const torch::Tensor& images_NCHW) {
  return torch::adaptive_avg_pool2d(images_NCHW.to(torch::kFloat32).div(255), {kSide, kSide});
}

Memorisation::Memorisation(const torch::Tensor& train_NCHW) {
  std::vector<torch::Tensor> all;
  for (int64_t d = 0; d < kDihedrals; ++d) all.push_back(Dihedral(train_NCHW, d).flatten(1));
  train_MD_ = torch::cat(all);
}

torch::Tensor Memorisation::Distances(const torch::Tensor& thumbnails_NCHW) const {
  const torch::Tensor queries_ND = thumbnails_NCHW.flatten(1);
  return FindNearest(queries_ND, train_MD_).distances_N / std::sqrt(static_cast<double>(queries_ND.size(1)));
}

Memorisation::Result Memorisation::Compare(const torch::Tensor& real_NCHW, const torch::Tensor& generated_NCHW) const {
  const torch::Tensor real_N = Distances(real_NCHW), generated_N = Distances(generated_NCHW);
  const double threshold = kCloseFactor * real_N.quantile(kClosest).item<double>();
  // An image that equals a training image is close whatever the threshold is.
  const double share = (generated_N <= threshold).to(torch::kFloat64).mean().item<double>();
  return {real_N.median().item<double>(), generated_N.median().item<double>(), threshold, share, share > kCopiedShare};
}

Json Memorisation::Result::ToJson() const {
  return {{"real", real},
          {"generated", generated},
          {"threshold", threshold},
          {"close_share", close_share},
          {"copies", copies}};
}

}  // namespace genvinci
