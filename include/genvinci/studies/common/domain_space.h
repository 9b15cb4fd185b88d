#pragma once

#include <torch/torch.h>

#include <string>
#include <vector>

#include "genvinci/data/dataset.h"
#include "genvinci/weights/load_runs.h"

namespace genvinci {

// The image features of an alignment run: the space in which images are compared.
class DomainSpace {
 public:
  // DataError ALIGN_DATASET where the run saw another dataset.
  DomainSpace(const fs::path& path, const Dataset& dataset, const torch::Device& device);

  int64_t dim() const { return loaded_.aligner->config().patch_encoder.feature_dim; }
  const LoadedAligner& loaded() const { return loaded_; }

  // (N, dim) float64 on the CPU, not normalised, of uint8 images.
  torch::Tensor Features(const torch::Tensor& images_NCHW) const { return loaded_.Features(images_NCHW); }
  // The same of patches of a dataset at `img_size`, which generated images have.
  torch::Tensor PatchFeatures(const Dataset& dataset, const std::vector<int64_t>& observations, int64_t img_size) const;

 private:
  LoadedAligner loaded_;
};

}  // namespace genvinci
