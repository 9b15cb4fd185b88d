#pragma once

#include <torch/torch.h>

#include <array>
#include <string>
#include <vector>

#include "genvinci/core/json.h"

namespace genvinci {

// A score of an image against the real one of its observation.
struct PairedMetric {
  const char* key;
  const char* title;
  bool higher_is_better;
};
inline constexpr std::array<PairedMetric, 5> kPairedMetrics = {{{"mse", "MSE (0-1)", false},
                                                                {"pcc", "PCC", true},
                                                                {"psnr", "PSNR (dB)", true},
                                                                {"ssim", "SSIM", true},
                                                                {"feature_distance", "feature distance", false}}};
inline constexpr size_t kPixelMetrics = 4;  // the first ones; the last is of domain features

// What was measured of one kind of images: of each observation and sample.
struct SourceScores {
  std::string key, title;  // "generated"; "CNN"
  std::array<torch::Tensor, kPairedMetrics.size()>
      paired_NS;               // float64, NaN: not defined; undefined where not measured
  torch::Tensor features_NSF;  // float64; undefined without a domain space
};

// Collects the four pixel scores of a source, observation by observation; NaN where a score is not defined (the
// correlation of a constant image) or not finite (the PSNR of equal images).
class PixelScores {
 public:
  // Images made_NCHW against the real one (C, H, W), both on the 8-bit scale; equally many for every observation.
  void Add(const torch::Tensor& made_NCHW, const torch::Tensor& real_CHW);
  // (N, S).
  torch::Tensor Values(size_t metric) const { return torch::stack(rows_.at(metric)); }

 private:
  std::array<std::vector<torch::Tensor>, kPixelMetrics> rows_;
};

// Euclidean distances (N, S) of features (N, S, F) from (N, F).
torch::Tensor FeatureDistances(const torch::Tensor& made_NSF, const torch::Tensor& real_NF);
// The same from the real features of all other observations: the mean over them, (N, S). At least 2 observations.
torch::Tensor OtherFeatureDistances(const torch::Tensor& made_NSF, const torch::Tensor& real_NF);

}  // namespace genvinci
