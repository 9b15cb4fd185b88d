#pragma once

#include <functional>
#include <memory>
#include <string>

#include "genvinci/training/engine/training_run.h"
#include "genvinci/training/engine/training_task.h"

namespace genvinci {

// All that it takes to train a task.
struct TrainingPlan {
  RunIdentity identity;
  CommonOptions common;
  TrainingOptions training;
  std::function<std::unique_ptr<TrainingTask>(const fs::path& run)> make_task;  // run: its folder; empty: a dry run
  // After training, on every rank; result["finished"] says whether it came to its end. May add to the result.
  std::function<void(TrainingTask& task, const fs::path& run, Json& result)> finish = nullptr;
  int64_t train_items = 0;  // of the whole training part, of which a dry run's task has an excerpt
};

// The identity of a run of a command that makes runs of `kind`.
template <typename Options>
RunIdentity IdentityOf(const std::string& command, const std::string& kind, const std::string& dataset,
                       const Options& options, Json facts) {
  return {command,          kind, dataset, ToJson(options), std::move(facts), FieldsThatDecideNoNumber<Options>(),
          ToJson(Options())};
}

// How many items all steps together read; with max_minutes, at most.
int64_t PlannedItems(const TrainingOptions& options, int64_t train_items, int64_t ranks);

// ConfigError TRAIN_LENGTH where neither epochs nor max_steps is set.
void RequireLength(const TrainingOptions& options);

// max_steps, or those of all epochs where they are fewer. RequireLength's error.
int64_t PlannedSteps(const TrainingOptions& options, int64_t by_epochs);

// Opens the run (a new one, or the one to resume), trains and returns the Trainer's result; or makes a dry run.
Json RunTask(const TrainingPlan& plan, RankGroup& ranks);

}  // namespace genvinci
