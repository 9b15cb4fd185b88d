#pragma once

#include <torch/torch.h>

#include "genvinci/models/autoencoder.h"

namespace genvinci {

// Posteriors of training patches under all eight symmetries of the square, so that training never encodes again. They
// are held in memory; where they do not fit, each step encodes its batch, and a warning says so.
class LatentStore {
 public:
  // patches_NCHW: uint8. `autoencoder` is frozen.
  LatentStore(Autoencoder autoencoder, const torch::Tensor& patches_NCHW, const torch::Device& device);

  bool is_cached() const { return mean_VNCHW_.defined(); }
  // Unscaled latents, one a position (int64), under its own symmetry: mean + std * noise of `generator`.
  torch::Tensor Sample(const torch::Tensor& positions_B, const torch::Tensor& symmetries_B, torch::Generator generator);

 private:
  void Encode();
  DiagonalGaussian EncodeBatch(const torch::Tensor& positions_B, const torch::Tensor& symmetries_B);

  Autoencoder autoencoder_;
  torch::Device device_;
  torch::Tensor patches_NCHW_;            // only while needed
  torch::Tensor mean_VNCHW_, std_VNCHW_;  // V = 8 symmetries, on the CPU
};

}  // namespace genvinci
