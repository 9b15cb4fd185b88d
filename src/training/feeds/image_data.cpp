#include "genvinci/training/feeds/image_data.h"

#include <algorithm>

#include "genvinci/core/error.h"
#include "genvinci/core/log.h"

namespace genvinci {

ImageData LoadImageData(const Dataset& dataset, int64_t img_size, int64_t val_limit) {
  ImageData data;
  data.train = dataset.Indices(Split::kTrain);
  if (data.train.empty())
    throw DataError("TRAIN_EMPTY", "{}: its training part is empty: prepare it with another split",
                    dataset.path().string());
  const std::vector<int64_t> val = dataset.Indices(Split::kVal);
  const auto val_size = static_cast<int64_t>(val.size());
  if (val.empty()) Log("{}: has no val part: the latest checkpoint counts as the best", dataset.path().string());
  if (val_limit > 0 && val_size > val_limit) Log("val: {} of {} observations, evenly spread", val_limit, val_size);
  const int64_t count = val_limit > 0 ? std::min(val_limit, val_size) : val_size;
  for (const int64_t i : EvenlySpread(val_size, count)) data.val.push_back(val[static_cast<size_t>(i)]);
  const std::vector<PatchStore> parts = PatchStore::OpenParts(dataset, {data.train, data.val}, img_size);
  data.train_patches = parts[0];
  data.val_patches = parts[1];
  data.img_size = data.train_patches.img_size();
  return data;
}

std::vector<int64_t> EvenlySpread(int64_t size, int64_t count) {
  std::vector<int64_t> positions;
  for (int64_t i = 0; i < count; ++i) positions.push_back(i * size / count);
  return positions;
}

torch::Tensor Positions(const std::vector<int64_t>& items) { return torch::tensor(items, torch::kInt64); }

}  // namespace genvinci
