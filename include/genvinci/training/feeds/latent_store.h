#pragma once

#include <torch/torch.h>

#include "genvinci/core/files.h"
#include "genvinci/distributed/rank_group.h"
#include "genvinci/models/autoencoder.h"
#include "genvinci/tensor/item_draws.h"
#include "genvinci/tensor/tensor_cache.h"

namespace genvinci {

// Posteriors of training patches under all eight symmetries of the square, so that training never encodes again. They
// are kept in a file, with a key of the patches and the autoencoder's weights, and mapped; where they do not fit into
// memory, each step encodes its batch, and a warning says so.
class LatentStore {
 public:
  // patches_NCHW: uint8. `autoencoder` is frozen and lies on the ranks' device. `cache`: the file; empty: none. The
  // ranks share the encoding out; the main one writes the file.
  LatentStore(Autoencoder autoencoder, const torch::Tensor& patches_NCHW, RankGroup& ranks, const fs::path& cache);

  bool is_cached() const { return mean_VNCHW_.defined(); }
  // Unscaled latents, one a position (int64), under its own symmetry: mean + std * noise of `draws`.
  torch::Tensor Sample(const torch::Tensor& positions_B, const torch::Tensor& symmetries_B, ItemDraws& draws);

 private:
  bool Read(const TensorCache& cache);
  void Encode(RankGroup& ranks);
  DiagonalGaussian EncodeBatch(const torch::Tensor& positions_B, const torch::Tensor& symmetries_B);

  Autoencoder autoencoder_;
  torch::Device device_;
  torch::Tensor patches_NCHW_;            // only while needed
  torch::Tensor mean_VNCHW_, std_VNCHW_;  // V = 8 symmetries, on the CPU
};

}  // namespace genvinci
