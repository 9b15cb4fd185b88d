#pragma once

#include "genvinci/core/json.h"
#include "genvinci/generation/generate_options.h"

namespace genvinci {

// Draws images (or with options.extract writes embeddings) for each split asked for. `i` is the running number of an
// observation in its split, `k` that of a sample, from 1. A split's folder appears when all of it is there:
//   {i}_0.png the real image at the checkpoint's size, {i}_{k}.png the samples (see output_images.h),
//   <split>_samples.png the first eight observations, samples.h5ad (obs: obs_name, sample, rank, score, seed, image;
//   with options.rank, score is the cosine between image and profile in the alignment run's space, and rank 1 the best
//   sample of its observation; else rank is -1 and score NaN), generation.json, with save_latents latents.safetensors
//   (`latents`, normalised: observations, samples, C, H, W). Embeddings: embeddings.h5ad with obsm gf_embs (the
//   transformer's last hidden state, averaged over all positions where the conditioner needs the full length, as the
//   reference does, else over the profile's own tokens) text_embs (the context, averaged over its tokens) and time_embs
//   (what the profile adds to the time embedding); extraction.json.
// options.common.output is the folder itself, or holds one folder for each of several splits; by default
// <run>/generated/<split>, or embeddings/, with _2, _3, ... where that is taken.
// Returns {"output": folder, "split", "n", ...}, for several splits {"output", "n", "splits": [...]}.
// UsageError FLAGS_CONFLICT; DataError GENERATE_CHANNELS, GENERATE_SCALE, SPLIT_EMPTY, NOISE_SHAPE, SAMPLE_NOT_FINITE,
// PROFILE_EMPTY, GENES_UNMATCHED; OverwriteError OUTPUT_EXISTS; ConfigError SAMPLER_STEPS, GUIDANCE_UNTRAINED.
Json Generate(const GenerateOptions& options);

// The sampling that was chosen on val for the run named in the options, else the one of its own grids during training;
// ReferenceSampling for GenVinci's own checkpoint. Errors of a missing or damaged checkpoint.
SamplerOptions SamplingOf(const GenerateOptions& options);

}  // namespace genvinci
