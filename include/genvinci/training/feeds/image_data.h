#pragma once

#include <torch/torch.h>

#include <string>
#include <vector>

#include "genvinci/data/patch_store.h"

namespace genvinci {

// The images of a dataset's training and validation parts.
struct ImageData {
  int64_t img_size = 0;
  std::vector<int64_t> train, val;  // observations
  PatchStore train_patches, val_patches;
};

// img_size 0: as stored; `val_limit`: at most so many of the val part, evenly spread (0: all). DataError TRAIN_EMPTY,
// DATASET_NO_IMAGES, MEMORY, PATCH_*.
ImageData LoadImageData(const Dataset& dataset, int64_t img_size, int64_t val_limit);

// Positions 0..count-1 of `size` items, evenly spread.
std::vector<int64_t> EvenlySpread(int64_t size, int64_t count);

// int64 (B).
torch::Tensor Positions(const std::vector<int64_t>& items);

}  // namespace genvinci
