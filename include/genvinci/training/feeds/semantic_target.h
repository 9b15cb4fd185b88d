#pragma once

#include <torch/torch.h>

#include <string>
#include <vector>

#include "genvinci/data/dataset.h"

namespace genvinci {

// What the conditioner's semantic path is drawn to: the embedding of each observation's own image, as stored and
// unturned, by a vision transformer with a projection (BiomedCLIP's), as a unit vector: (N, E) on the CPU. Images are
// brought to the transformer's size by antialiased bicubic interpolation and normalised as CLIP's are; a single channel
// counts as grey. Kept in <dataset>/cache, so that the network runs once a dataset.
// `weights`: what WeightSource::Open takes. ConfigError SEMANTIC_CHANNELS for images of neither one nor three channels.
torch::Tensor ImageEmbeddings(const Dataset& dataset, const std::vector<int64_t>& observations,
                              const std::string& weights, const torch::Device& device);

// (N, C, H, W) in [0, 1] -> (N, 3, side, side), normalised.
torch::Tensor ClipInput(const torch::Tensor& images_NCHW, int64_t side);

}  // namespace genvinci
