#pragma once

#include <torch/torch.h>

#include <string>

#include "genvinci/weights/load_runs.h"

namespace genvinci {

// The path of the model that a flag names for a dataset: GenVinci's own checkpoint_<n>.pth where such a file is there,
// else a fine-tuning run as ResolveRun finds it. MissingFileError RUN_MISSING.
fs::path FindPipeline(const std::string& dataset, const std::string& reference);

// The model at a path that FindPipeline returned, ready to draw: LoadPipeline, or OpenForeignPipeline with `img_size`,
// which GenVinci's checkpoints do not hold. LoadedPipeline::path says which checkpoint was read; errors as theirs.
LoadedPipeline OpenPipeline(const fs::path& path, int64_t img_size, const torch::Device& device);

}  // namespace genvinci
