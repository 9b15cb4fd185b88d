#pragma once

#include <torch/torch.h>

#include <optional>
#include <string>
#include <vector>

#include "genvinci/data/dataset.h"
#include "genvinci/diffusion/sampler_options.h"
#include "genvinci/io/image.h"

namespace genvinci {

// What generation.json says of the images beside it.
// The folder that `reference` leads to: itself where it holds generation.json, the newest in a run's folder, or, for
// "latest", the newest of `dataset`'s runs. Where there is none: `reference` itself, which Open then refuses.
fs::path FindGenerated(const std::string& reference, const std::string& dataset);

struct GeneratedFolder {
  fs::path path, checkpoint;
  std::string dataset, split;
  int64_t n = 0, num_samples = 0, img_size = 0;
  SamplerOptions sampling;
  std::vector<std::string> channels;
  std::vector<std::string> observations;  // obs_names, in the order of the images

  // MissingFileError (FILE_MISSING); DataError (GENERATION_FIELD, GENERATION_NO_REAL).
  static GeneratedFolder Open(const fs::path& path);

  // Image k of observation i; k = 0 is the real one. DataError (GENERATED_IMAGE) for another size.
  Image Load(int64_t i, int64_t k) const;
  torch::Tensor LoadReal(int64_t i) const;     // (C, H, W) uint8
  torch::Tensor LoadSamples(int64_t i) const;  // (samples, C, H, W) uint8
  // Row of each observation in the dataset. DataError (GENERATION_OBSERVATION) when one is not there.
  std::vector<int64_t> RowsIn(const Dataset& dataset) const;
};

torch::Tensor BytesOf(const Image& image);           // (C, H, W) uint8
Image ImageOfBytes(const torch::Tensor& image_CHW);  // the other way round

}  // namespace genvinci
