#pragma once

#include <torch/torch.h>

#include <vector>

#include "genvinci/data/dataset.h"

namespace genvinci {

// The patches of some observations, resized to `img_size` (0: as stored): uint8 (N, C, H, W), stored channels-last.
// DataError: MEMORY before anything is read, PATCH_* naming the observation.
torch::Tensor LoadPatches(const Dataset& dataset, const std::vector<int64_t>& observations, int64_t img_size);

// uint8 patches at positions_B (int64) as floats in [-1, 1], channels-last.
torch::Tensor PatchBatch(const torch::Tensor& patches_NCHW, const torch::Tensor& positions_B);

// The d-th symmetry of the square, d in 0..7: mirrored left to right where d >= 4, then turned by (d mod 4) quarters
// counter-clockwise. Images must be square where d is odd.
inline constexpr int64_t kDihedrals = 8;
torch::Tensor Dihedral(const torch::Tensor& images_BCHW, int64_t d);
// Each image by its own d; square images.
torch::Tensor DihedralEach(const torch::Tensor& images_BCHW, const torch::Tensor& d_B);

}  // namespace genvinci
