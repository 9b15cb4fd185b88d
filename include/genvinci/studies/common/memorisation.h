#pragma once

#include <torch/torch.h>

#include "genvinci/core/json.h"

namespace genvinci {

// Whether samples are copies of training images. Images are compared as thumbnails of 8 x 8 px (the mean over each
// block, on the scale of 0 to 1), by the root mean squared difference to the nearest training image under any symmetry
// of the square. A sample counts as close when that is under half of what the closest hundredth of the held-out real
// images keep; more than a hundredth of close samples is a copy.
class Memorisation {
 public:
  static torch::Tensor Thumbnails(const torch::Tensor& images_NCHW);  // uint8 -> (N, C, 8, 8) float

  explicit Memorisation(const torch::Tensor& train_NCHW);  // thumbnails

  struct Result {
    double real = 0, generated = 0;  // medians of the distances
    double threshold = 0;
    double close_share = 0;  // of the samples
    bool copies = false;

    Json ToJson() const;  // by these names
  };
  Result Compare(const torch::Tensor& real_NCHW, const torch::Tensor& generated_NCHW) const;

 private:
  torch::Tensor Distances(const torch::Tensor& thumbnails_NCHW) const;  // (N)

  torch::Tensor train_MD_;
};

}  // namespace genvinci
