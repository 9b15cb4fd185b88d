#pragma once

#include "genvinci/training/training_options.h"

namespace genvinci {

// The learning rate of optimizer step `step` (from 0) of `total`: lr (step + 1) / warmup during the warm-up, then with
// p = (step - warmup) / (total - warmup): lr (1 - p) "linear", lr (1 + cos(pi p)) / 2 "cosine", lr "constant".
double LearningRate(const TrainingOptions& options, int64_t step, int64_t total);

}  // namespace genvinci
