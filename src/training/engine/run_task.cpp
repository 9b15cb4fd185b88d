#include "genvinci/training/engine/run_task.h"

#include <algorithm>

#include "genvinci/core/error.h"
#include "genvinci/training/engine/dry_run.h"
#include "genvinci/training/engine/trainer.h"

namespace genvinci {

int64_t PlannedItems(const TrainingOptions& options, int64_t train_items, int64_t ranks) {
  const int64_t by_epochs = options.epochs * train_items;
  const int64_t by_steps = options.max_steps * options.batch_size * options.accumulate * ranks;
  if (options.epochs == 0) return by_steps;
  return options.max_steps == 0 ? by_epochs : std::min(by_epochs, by_steps);
}

void RequireLength(const TrainingOptions& options) {
  if (options.epochs == 0 && options.max_steps == 0)
    throw ConfigError("TRAIN_LENGTH", "training: neither epochs nor max_steps is set: give one");
}

int64_t PlannedSteps(const TrainingOptions& options, int64_t by_epochs) {
  RequireLength(options);
  if (options.epochs == 0) return options.max_steps;
  return options.max_steps == 0 ? by_epochs : std::min(by_epochs, options.max_steps);
}

Json RunTask(const TrainingPlan& plan, RankGroup& ranks) {
  if (plan.training.dry_run) return DryRun(plan, ranks);
  TrainingRun run = OpenTrainingRun(plan.identity, plan.common, plan.training, ranks);
  const std::unique_ptr<TrainingTask> task = plan.make_task(run.folder.path());
  Json result = Trainer(*task, run, plan.identity, plan.common, plan.training, ranks).Run();
  if (plan.finish) plan.finish(*task, run.folder.path(), result);
  return result;
}

}  // namespace genvinci
