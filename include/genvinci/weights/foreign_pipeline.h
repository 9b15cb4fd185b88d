#pragma once

#include <torch/torch.h>

#include "genvinci/diffusion/diffusion_options.h"
#include "genvinci/weights/load_runs.h"

namespace genvinci {

// GenVinci's own checkpoint (checkpoint_<n>.pth: transformer, conditioner, UNet and autoencoder in one file) ready to
// draw, in evaluation mode: Geneformer's V1 vocabulary, RGB, Stable Diffusion's latent scale, eps, no null condition.
// `path` is what WeightSource::Open takes. DataError WEIGHTS_MODEL where a part is missing, WEIGHTS_VOCABULARY for a
// transformer of another vocabulary, and LoadWeights'; ConfigError PIPELINE_IMG_SIZE.
LoadedPipeline OpenForeignPipeline(const fs::path& path, int64_t img_size, const torch::Device& device);

// How the reference draws: PLMS, 250 steps, no guidance.
SamplerOptions ReferenceSampling();

}  // namespace genvinci
