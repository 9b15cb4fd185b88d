#pragma once

#include <torch/torch.h>

#include <functional>
#include <string>
#include <vector>

#include "genvinci/data/dataset.h"
#include "genvinci/distributed/rank_group.h"
#include "genvinci/studies/common/generated_folder.h"
#include "genvinci/weights/load_runs.h"

namespace genvinci {

// Images of one kind, of every observation of a generation folder.
struct ImageSource {
  std::string key, title;                           // "cnn"; "CNN"
  std::function<torch::Tensor(int64_t)> images_of;  // (S, C, H, W): uint8, or the mean image's 0 to 255 not rounded
};

// What the images are made from, by all ranks. The generation folder and the dataset outlive the sources.
struct SourceSettings {
  RankGroup& ranks;
  const GeneratedFolder& generated;
  const Dataset& dataset;
  std::vector<int64_t> rows;  // of the observations in the dataset
  torch::Tensor real_NCHW;    // uint8
  std::vector<std::string> baselines;
  int64_t seed = 0;
};

struct ImageSources {
  std::vector<ImageSource> all;  // generated, reconstructed, then the baselines that are asked for
  Json cnn_tuning;               // null without the CNN

  const ImageSource* Find(const std::string& key) const;
};

// DataError SPLIT_EMPTY when baselines are asked for and there is no training part.
ImageSources MakeSources(const SourceSettings& settings, Pipeline pipeline);

// A patch at the size of the generated images: (C, H, W) uint8.
torch::Tensor PatchBytes(const Dataset& dataset, int64_t row, int64_t img_size);

}  // namespace genvinci
