#include "genvinci/metrics/image_metrics.h"

#include "doubles.h"
#include "genvinci/core/error.h"

namespace genvinci {
namespace {

constexpr int64_t kWindow = 7;
constexpr double kDataRange = 255;

void CheckPair(const torch::Tensor& a_NCHW, const torch::Tensor& b_NCHW) {
  GENVINCI_CHECK(a_NCHW.dim() == 4 && a_NCHW.sizes() == b_NCHW.sizes(), "images of {} and {} dimensions differ",
                 a_NCHW.dim(), b_NCHW.dim());
}

// Means over every window that lies inside the image.
torch::Tensor WindowMeans(const torch::Tensor& images_NCHW) {
  return torch::avg_pool2d(images_NCHW, {kWindow, kWindow}, /*stride=*/{1, 1});
}

}  // namespace

torch::Tensor MeanSquaredError(const torch::Tensor& a_NCHW, const torch::Tensor& b_NCHW) {
  CheckPair(a_NCHW, b_NCHW);
  return ((Doubles(a_NCHW) - Doubles(b_NCHW)) / kDataRange).square().mean({1, 2, 3});
}

torch::Tensor PeakSignalToNoise(const torch::Tensor& a_NCHW, const torch::Tensor& b_NCHW) {
  return -10 * MeanSquaredError(a_NCHW, b_NCHW).log10();
}

torch::Tensor PixelCorrelation(const torch::Tensor& a_NCHW, const torch::Tensor& b_NCHW) {
  CheckPair(a_NCHW, b_NCHW);
  const torch::Tensor a = Doubles(a_NCHW).flatten(1), b = Doubles(b_NCHW).flatten(1);
  const torch::Tensor a_centred = a - a.mean(1, /*keepdim=*/true), b_centred = b - b.mean(1, /*keepdim=*/true);
  return (a_centred * b_centred).sum(1) / (a_centred.square().sum(1) * b_centred.square().sum(1)).sqrt();
}

torch::Tensor StructuralSimilarity(const torch::Tensor& a_NCHW, const torch::Tensor& b_NCHW) {
  CheckPair(a_NCHW, b_NCHW);
  GENVINCI_CHECK(a_NCHW.size(2) >= kWindow && a_NCHW.size(3) >= kWindow, "images of {} x {} px are below the window",
                 a_NCHW.size(3), a_NCHW.size(2));
  const torch::Tensor a = Doubles(a_NCHW), b = Doubles(b_NCHW);
  const torch::Tensor a_mean = WindowMeans(a), b_mean = WindowMeans(b);
  constexpr double sample = static_cast<double>(kWindow * kWindow) / (kWindow * kWindow - 1);
  const torch::Tensor a_variance = sample * (WindowMeans(a * a) - a_mean * a_mean);
  const torch::Tensor b_variance = sample * (WindowMeans(b * b) - b_mean * b_mean);
  const torch::Tensor covariance = sample * (WindowMeans(a * b) - a_mean * b_mean);
  constexpr double c1 = (0.01 * kDataRange) * (0.01 * kDataRange), c2 = (0.03 * kDataRange) * (0.03 * kDataRange);
  const torch::Tensor similarity = (2 * a_mean * b_mean + c1) * (2 * covariance + c2) /
                                   ((a_mean.square() + b_mean.square() + c1) * (a_variance + b_variance + c2));
  return similarity.mean({1, 2, 3});
}

}  // namespace genvinci
