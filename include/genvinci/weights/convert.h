#pragma once

#include "genvinci/core/json.h"
#include "genvinci/weights/convert_options.h"

namespace genvinci {

// Weights from one format to another:
//   genvinci      a checkpoint folder, read by every command that takes weights
//   diffusers     unet/ and vae/, each config.json and diffusion_pytorch_model.safetensors: what from_pretrained opens
//   compvis       model.diffusion_model.* and first_stage_model.*, as Stable Diffusion's checkpoints; --output ends in
//                 .ckpt (PyTorch) or .safetensors
//   huggingface   the gene transformer as BertForMaskedLM: config.json and model.safetensors
// Values are copied as they are, or converted to `dtype`; there and back at equal type is bit-identical. Tensors that
// the target has no place for (schedules, averaged weights, a text encoder) are kept under their own names in
// kept_aside.safetensors, beside what is written, and come back when that is converted to a format with a place for
// them.
//
// {"output", "models": [...], "tensors": n, "kept_aside": [the first ten names, and how many more]}. DataError
// WEIGHTS_MODEL where there is nothing that the format can hold, CONVERT_ARCHITECTURE for a model that is not Stable
// Diffusion's; OverwriteError.
Json Convert(const ConvertOptions& options);

}  // namespace genvinci
