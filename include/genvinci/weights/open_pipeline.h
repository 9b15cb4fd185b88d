#pragma once

#include <torch/torch.h>

#include <string>

#include "genvinci/weights/load_runs.h"

namespace genvinci {

// What a user calls a model that draws images.
struct PipelineReference {
  // A fine-tuning run (folder, timestamp or "latest"), one of its checkpoints, or GenVinci's own (checkpoint_<n>.pth).
  std::string checkpoint;
  std::string dataset;     // name under which runs lie in output/
  int64_t img_size = 256;  // px that GenVinci's own draws; a run knows its own
};

// The one door to models that draw: LoadPipeline or OpenForeignPipeline, and their errors.
LoadedPipeline OpenPipeline(const PipelineReference& reference, const torch::Device& device);
// How it draws unless the user says otherwise: as was chosen on val, else as in training; GenVinci's own as GenVinci
// does.
SamplerOptions SamplingOf(const PipelineReference& reference);

}  // namespace genvinci
