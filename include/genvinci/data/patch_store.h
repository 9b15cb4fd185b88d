#pragma once

#include <torch/torch.h>

#include <string>
#include <vector>

#include "genvinci/data/dataset.h"
#include "genvinci/tensor/stored_rows.h"

namespace genvinci {

// The patches of some observations of a dataset, of one size, which are read batch by batch. All patches of the dataset
// are kept decoded in one file, <dataset>/cache/patches-<img_size>.safetensors, made at the first use and mapped, so
// that a dataset may be larger than memory; where it cannot be written, the patches asked for are held in memory.
class PatchStore {
 public:
  PatchStore() = default;  // of no observation
  // img_size 0: as stored. DataError: DATASET_NO_IMAGES, PATCH_* naming the observation, MEMORY where they would have
  // to be held and do not fit.
  static PatchStore Open(const Dataset& dataset, const std::vector<int64_t>& observations, int64_t img_size);
  // Of several parts, from a file that is opened and verified once.
  static std::vector<PatchStore> OpenParts(const Dataset& dataset, const std::vector<std::vector<int64_t>>& parts,
                                           int64_t img_size);

  int64_t size() const { return static_cast<int64_t>(observations_.size()); }
  int64_t img_size() const { return stored_.sizes()[1]; }
  int64_t channels() const { return stored_.sizes()[3]; }
  // Patches at positions_B (int64), channels-last: uint8, and floats in [-1, 1].
  torch::Tensor Bytes(const torch::Tensor& positions_B) const;
  torch::Tensor Batch(const torch::Tensor& positions_B) const;
  // Those at some positions, in this order.
  PatchStore Select(const std::vector<int64_t>& positions) const;
  // Which patches these are, for the keys of caches: the same text, the same pixels.
  std::string Identity() const;

 private:
  StoredRows stored_;     // uint8 (N, H, W, C)
  torch::Tensor rows_P_;  // of each position, int64
  std::vector<int64_t> observations_;
  std::string dataset_;  // its fingerprint
};

// The d-th symmetry of the square, d in 0..7: mirrored left to right where d >= 4, then turned by (d mod 4) quarters
// counter-clockwise. Images must be square where d is odd.
inline constexpr int64_t kDihedrals = 8;
torch::Tensor Dihedral(const torch::Tensor& images_BCHW, int64_t d);
// Each image by its own d; square images.
torch::Tensor DihedralEach(const torch::Tensor& images_BCHW, const torch::Tensor& d_B);

}  // namespace genvinci
