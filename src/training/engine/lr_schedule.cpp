#include "genvinci/training/engine/lr_schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace genvinci {

double LearningRate(const TrainingOptions& options, int64_t step, int64_t total) {
  const auto warmup = static_cast<double>(options.warmup_steps);
  const auto at = static_cast<double>(step);
  if (at < warmup) return options.lr * (at + 1) / warmup;
  if (options.decay == "constant") return options.lr;
  const double p = std::min(1.0, (at - warmup) / std::max(1.0, static_cast<double>(total) - warmup));
  if (options.decay == "cosine") return options.lr * (1 + std::cos(std::numbers::pi * p)) / 2;
  return options.lr * (1 - p);
}

}  // namespace genvinci
