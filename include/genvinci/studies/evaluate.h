#pragma once

#include "genvinci/core/json.h"
#include "genvinci/studies/evaluate_options.h"

namespace genvinci {

// Scores of a generation folder: MSE (pixels from 0 to 1), PCC, PSNR and SSIM against the real image of the same
// observation, of the generated images (the mean over an observation's samples), the real image through the
// checkpoint's autoencoder, the mean training image, and, as a control, the generated images against another
// observation's real image
// ("shuffled": a fixed permutation without a fixed point, drawn from the seed). Writes evaluation.json, evaluation.md
// and evaluation.png (rows of real, reconstructed, generated) into the folder or --output; returns evaluation.json:
//   {"n", "n_samples", "split", "metrics": {"<mse|pcc|psnr|ssim>": {"generated", "reconstructed", "mean_image",
//    "shuffled"}}, "undefined": observations that a mean leaves out, "same_patient", "note", "checkpoint", ...}
// DataError GENERATION_*, GENERATED_IMAGE, EVALUATE_SIZE; MissingFileError.
Json Evaluate(const EvaluateOptions& options);

}  // namespace genvinci
