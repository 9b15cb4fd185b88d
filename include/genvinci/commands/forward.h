#pragma once

#include "genvinci/commands/forward_options.h"
#include "genvinci/core/json.h"

namespace genvinci {

// One model on tensors from a file to a file (--output), so that anyone can hold it to their own Python. Inputs and
// outputs are called as there; floating inputs are read as float32:
//   gene_transformer   input_ids, attention_mask (optional)                    output: last hidden state
//   mlm                the same                                                output: logits at every position
//   conditioner        input_ids                                               output: c; time_embedding; semantic
//   unet               sample, timestep (B), encoder_hidden_states, time_embedding (optional)   output: prediction
//   vae_encoder        x                                                       output: mean and log-variance
//   vae_decoder        x, latents before scaling                               output: image
//   vit, inception     x (normalised pixels; 8-bit pixels)                     output: features
//   lpips              x, y                                                    output: distances
//   sampler            noise, encoder_hidden_states, negative_encoder_hidden_states (with guidance)   output: latents
// The sampler's noise process is Stable Diffusion's, its objective eps. {"output", "shape", "seconds"}.
// DataError FORWARD_INPUT, and those of weights/; UsageError without --output.
Json Forward(const ForwardOptions& options);

}  // namespace genvinci
