#pragma once

#include <torch/torch.h>

#include <array>
#include <string>
#include <vector>

#include "genvinci/core/json.h"

namespace genvinci {

inline constexpr std::array<const char*, 4> kMetrics = {"mse", "pcc", "psnr", "ssim"};

// The four scores of each observation, averaged over its samples; NaN where a score is not defined (the correlation of
// a constant image) or not finite (the PSNR of equal images).
class Scores {
 public:
  // One observation: its images made_NCHW against the real one (C, H, W), both on the 8-bit scale.
  void Add(const torch::Tensor& made_NCHW, const torch::Tensor& real_CHW);

  bool empty() const { return rows_.empty(); }
  // Mean over the observations where it is defined; null when it is nowhere.
  Json Mean(size_t metric) const;
  int64_t Undefined(size_t metric) const;
  const std::vector<std::array<double, kMetrics.size()>>& rows() const { return rows_; }

 private:
  std::vector<std::array<double, kMetrics.size()>> rows_;
};

}  // namespace genvinci
