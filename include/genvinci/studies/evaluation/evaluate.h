#pragma once

#include "genvinci/core/json.h"
#include "genvinci/studies/evaluation/evaluate_options.h"

namespace genvinci {

// Scores of a generation folder, each between its floor and its ceiling. Kinds of images ("columns"): generated (means
// over an observation's samples), reconstructed (the real image through the checkpoint's autoencoder) and, as
// options.baselines has them, nearest (the training image of the nearest profile), cnn (genes to pixels) and
// mean_image. As a control, shuffled: the generated images against another observation's real image (a fixed
// permutation without a fixed point, drawn from the seed; for feature_distance, all other observations).
//
// Paired scores mse (pixels from 0 to 1), pcc, psnr, ssim, feature_distance (Euclidean, in the domain space).
// Distributions, in the domain space of an alignment run, against the real images of the part: frechet_domain,
// kernel_domain, precision, recall, density, coverage; also of the training part's real images (real_floor) and between
// two halves of the real ones (real_halves).
//
// Writes evaluation.json, evaluation.md, report.html, evaluation.png (rows of real, reconstructed, generated, nearest,
// CNN) and extremes.png (best, median and worst by feature distance) into the folder or --output. evaluation.json:
//   "n", "n_samples", "split", "metrics": {"<metric>": {"<column>": number or null}},
//   "intervals": the same with {"value", "ci95" over observations, "ci95_groups" over patients or sections,
//       "ci95_seeds" over samples}; "undefined": {"<metric>": {"<column>": observations that a mean leaves out}}
//   "shuffle_gap": {"<paired metric>": {"value", "ci95", ...}}: how much better the score is against the own real image
//   "label_agreement": balanced accuracy of labels read from images: {"<column>", "real", "shuffled", "majority",
//       "ci95" of generated, "intervals", "classes", "val"}
//   "composition", "nuclei": {"columns", "correlation", "error", "error_unseen_mixture"}, each {"<column>": estimate}
//   "memorisation" (memorisation.h), "domain": {"align", "dim"}, "cnn": its tuning on val, "test_reads": how often the
//   test part has been scored for this run, "same_patient", "note", "checkpoint", "dataset", "guidance",
//   "guidance_rescale", "steps", ...
// What cannot be had (no alignment run, no labels, no proportions) is left out, with a log line for the first.
//
// DataError GENERATION_*, GENERATED_IMAGE, EVALUATE_SIZE, ALIGN_DATASET, SPLIT_EMPTY; BASELINE_CNN when the CNN does
// not beat the mean image's squared error: nothing is written then. MissingFileError.
Json Evaluate(const EvaluateOptions& options);

}  // namespace genvinci
