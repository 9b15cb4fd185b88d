#include "genvinci/training/engine/training_run.h"

#include <gmock/gmock.h>

#include "genvinci/training/engine/run_task.h"

namespace genvinci {
namespace training_run_test {

using ::testing::ElementsAre;

// A run may be resumed with other values of these, and of no others.
TEST(TrainingRun, OptionsThatMayDifferWhenResumed) {
  EXPECT_THAT(FieldsThatDecideNoNumber<FinetuneOptions>(),
              ElementsAre("common.device", "common.json", "common.log_level", "common.output", "common.quiet",
                          "common.threads", "dataset", "ranks", "training.allow_inexact_resume", "training.dry_run",
                          "training.ema_device", "training.keep_last", "training.log_steps", "training.max_minutes",
                          "training.resume", "training.save_steps", "training.zero"));
}

}  // namespace training_run_test
}  // namespace genvinci
