#include "genvinci/training/engine/run_task.h"

#include "genvinci/training/engine/trainer.h"

namespace genvinci {

Json RunTask(const TrainingPlan& plan, RankGroup& ranks) {
  TrainingRun run = OpenTrainingRun(plan.identity, plan.common, plan.training, ranks);
  const std::unique_ptr<TrainingTask> task = plan.make_task(run.folder.path());
  Json result = Trainer(*task, run, plan.identity, plan.common, plan.training, ranks).Run();
  if (plan.finish) plan.finish(*task, run.folder.path(), result);
  return result;
}

}  // namespace genvinci
