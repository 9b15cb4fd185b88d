#pragma once

#include <string>

#include "genvinci/core/json.h"
#include "genvinci/data/dataset.h"
#include "genvinci/training/engine/run_task.h"

namespace genvinci {

// A dataset to train on.
struct TrainingDataset {
  Dataset dataset;
  int64_t train_items = 0;  // of the whole training part
};

// For a dry run an excerpt of a few batches, beside which nothing is written.
TrainingDataset OpenTrainingDataset(const std::string& dataset, const TrainingOptions& options);

// A dry run writes nothing.
DatasetUse UseOf(const TrainingOptions& options);

// Training items that a dry run looks at, at most.
int64_t DryRunItems(const TrainingOptions& options);

// What the run would take, measured on a few batches without writing anything: {"dry_run", "items", "parameters",
// "steps", "steps_per_epoch", "seconds_per_step", "minutes" (of the steps, without evaluations and checkpoints),
// "memory" (bytes of this process, and of its GPU: "gpu_memory"), "options" (all of them, resolved)}.
Json DryRun(const TrainingPlan& plan, RankGroup& ranks);

}  // namespace genvinci
