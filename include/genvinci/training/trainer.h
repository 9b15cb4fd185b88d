#pragma once

#include <torch/torch.h>

#include <chrono>
#include <memory>
#include <optional>

#include "genvinci/core/progress.h"
#include "genvinci/io/events.h"
#include "genvinci/training/adamw.h"
#include "genvinci/training/ema.h"
#include "genvinci/training/training_run.h"
#include "genvinci/training/training_task.h"

namespace genvinci {

// The training loop: AdamW, schedule, averaged weights, checkpoints, evaluation, logs.
//
// All randomness of a step is derived from (seed, step), so the step number, the optimizer and the averages are the
// whole state: a run that is cut at any step and resumed gives the same bits as one that is not.
class Trainer {
 public:
  // Goes on from the run's checkpoint where there is one.
  Trainer(TrainingTask& task, TrainingRun& run, const RunIdentity& identity, const CommonOptions& common,
          const TrainingOptions& options);

  // To the end, or to max_minutes (one step at least). Returns {"run", "kind", "step", "finished", "best_step",
  // "metrics" (of the best), ...}. A signal: saves, then throws Interrupted. NaN or Inf in loss or gradients:
  // NotFiniteError (TRAIN_NOT_FINITE) naming step and items, before the update; nothing is saved.
  Json Run();

 private:
  struct Step {
    Batches batches;  // one for each of `accumulate`
    int64_t samples = 0;
    double lr = 0, loss = 0, gradient_norm = 0;
    std::vector<std::pair<std::string, double>> parts;
  };

  Step Fetch();
  void ForwardBackward(Step& step);
  void Update(Step& step);
  void LogStep(const Step& step);
  void AfterStep();
  bool Evaluate();  // true: the best so far
  void Save(bool best);
  void Resume(const Checkpoint& checkpoint);

  [[noreturn]] void NotFinite(const Step& step, std::string_view what) const;
  bool IsDue(int64_t every) const;
  bool TimeIsUp() const;
  bool IsFinished() const;  // at the end, or out of patience
  double Seconds() const;
  int64_t EpochOf(int64_t step) const { return step / steps_per_epoch_; }
  Json State() const;
  Json Result() const;

  TrainingTask& task_;
  TrainingRun& run_;
  RunIdentity identity_;
  TrainingOptions options_;
  int64_t seed_;
  AdamW optimizer_;
  Ema ema_;
  EventWriter events_;
  std::unique_ptr<Progress> progress_;

  int64_t steps_per_epoch_ = 0, total_steps_ = 0;
  int64_t step_ = 0, samples_ = 0, saved_step_ = -1, evaluated_step_ = -1, since_best_ = 0;
  int64_t epoch_of_batches_ = -1;
  Batches batches_;
  Json last_metrics_, best_;   // best_: {"step", "metrics"}
  double seconds_before_ = 0;  // of the run's earlier processes
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();

  // Since the last logged step.
  double window_loss_ = 0;
  std::vector<std::pair<std::string, double>> window_parts_;
  int64_t window_ = 0;
};

}  // namespace genvinci
