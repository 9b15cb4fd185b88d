#pragma once

#include <torch/torch.h>

#include "genvinci/core/files.h"
#include "genvinci/core/memory.h"
#include "genvinci/data/patch_store.h"
#include "genvinci/distributed/rank_group.h"
#include "genvinci/models/autoencoder.h"
#include "genvinci/tensor/item_draws.h"
#include "genvinci/tensor/tensor_cache.h"

namespace genvinci {

// Posteriors of training patches under all eight symmetries of the square, so that training never encodes again. They
// are kept in a file, with a key of the patches and the autoencoder's weights, and mapped. Where they are more than
// memory holds, it is made only if the training is long enough to need as many; else each step encodes its batch.
class LatentStore {
 public:
  // `autoencoder` is frozen and lies on the ranks' device. `cache`: the file; empty: none. planned_items: how many
  // items training will read, as far as is known; memory: bytes that may be held. The ranks share the encoding out; the
  // main one writes the file.
  LatentStore(Autoencoder autoencoder, PatchStore patches, RankGroup& ranks, const fs::path& cache,
              int64_t planned_items, uint64_t memory = MemoryToHold());

  bool is_cached() const { return mean_.defined(); }
  // Unscaled latents, one a position (int64), under its own symmetry: mean + std * noise of `draws`.
  torch::Tensor Sample(const torch::Tensor& positions_B, const torch::Tensor& symmetries_B, ItemDraws& draws);

 private:
  // Takes rows of both from `first_row` on.
  using PutLatents = std::function<void(int64_t first_row, const torch::Tensor& mean, const torch::Tensor& std)>;

  // (8 N, c, h, w).
  std::vector<int64_t> Sizes() const;
  bool Open(const TensorCache& cache);
  void Take(const std::shared_ptr<SafetensorsFile>& kept);
  void Hold(RankGroup& ranks);
  bool Write(RankGroup& ranks, const TensorCache& cache);  // false where there is no room
  void Encode(RankGroup& ranks, const PutLatents& put);
  DiagonalGaussian EncodeBatch(const torch::Tensor& positions_B, const torch::Tensor& symmetries_B);

  Autoencoder autoencoder_;
  torch::Device device_;
  PatchStore patches_;
  StoredRows mean_, std_;  // row: symmetry * N + position
};

}  // namespace genvinci
