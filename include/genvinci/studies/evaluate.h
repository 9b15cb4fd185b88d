#pragma once

#include "genvinci/core/json.h"
#include "genvinci/studies/evaluate_options.h"

namespace genvinci {

// Scores of a generation folder: MSE, PCC, PSNR and SSIM of generated, reconstructed and the mean training image against
// real, into evaluation.json and evaluation.png (rows of real, reconstructed, generated). Returns evaluation.json.
Json Evaluate(const EvaluateOptions& options);

}  // namespace genvinci
