#pragma once

#include <torch/torch.h>

#include <optional>
#include <vector>

#include "genvinci/tensor/convert.h"

namespace genvinci {

// The start noise of --noise: tensor `noise` (observations, samples, C, H, W), read item by item.
class StartNoiseFile {
 public:
  // `shape`: what the file must hold. DataError (NOISE_SHAPE).
  StartNoiseFile(const fs::path& path, const std::vector<int64_t>& shape);
  // Item `index` = observation * samples + sample, (C, H, W) float32.
  torch::Tensor Item(int64_t index) const;

 private:
  SafetensorsFile file_;
  std::vector<int64_t> item_shape_;
};

}  // namespace genvinci
