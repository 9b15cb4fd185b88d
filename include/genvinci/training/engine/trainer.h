#pragma once

#include <torch/torch.h>

#include <chrono>
#include <memory>
#include <optional>

#include "genvinci/checkpoint/background_writer.h"
#include "genvinci/distributed/gradient_reducer.h"
#include "genvinci/training/engine/adamw.h"
#include "genvinci/training/engine/ema.h"
#include "genvinci/training/engine/loss_scale.h"
#include "genvinci/training/engine/stop_vote.h"
#include "genvinci/training/engine/training_log.h"
#include "genvinci/training/engine/training_order.h"
#include "genvinci/training/engine/training_run.h"
#include "genvinci/training/engine/training_task.h"

namespace genvinci {

// The training loop: AdamW, schedule, averaged weights, checkpoints, evaluation, logs; on one rank or many, which all
// make the same calls and of which the main one writes.
//
// All randomness is derived from (seed, epoch, item), and that of layers' drop-out from (seed, step, rank), so that the
// counters, the optimizer and the averages are the whole state: a run that is cut anywhere and resumed gives the same
// bits as one that is not.
class Trainer {
 public:
  // Goes on from the run's checkpoint where there is one.
  Trainer(TrainingTask& task, TrainingRun& run, const RunIdentity& identity, const CommonOptions& common,
          const TrainingOptions& options, RankGroup& ranks);

  // To the end, or to max_minutes (one step at least; what it has come to is evaluated, which counts as any evaluation
  // does for what is the best and for patience). Returns {"run", "kind", "step", "finished", "best_step",
  // "metrics" (of the best), ...}. A signal: saves, amid the batches of a step too (of up to 8 ranks; more finish it),
  // then throws Interrupted; an evaluation that it comes amid is made anew when the run goes on. NaN or Inf
  // in loss or gradients: NotFiniteError (TRAIN_NOT_FINITE) naming step and items, before the update; nothing is saved.
  // In fp16 such an update is left out, until there are too many.
  Json Run();

 private:
  struct Step {
    TrainingOrder::Step order;
    StepNumbers numbers;          // this rank's share, until they are reduced
    std::vector<double> weights;  // of this rank's items in each batch
    double weight = 0;            // of all batches and ranks
    size_t batches_done = 0;
  };

  Step Fetch();
  void ForwardBackward(Step& step);
  void RunBatch(Step& step, size_t batch);
  void Reduce(Step& step);
  void Update(Step& step);
  void AfterStep();
  void EvaluateAndSave();
  bool Evaluate();  // true: the best so far
  void TakeEvaluation(const Json& evaluation);
  void Save(bool best, const Step* partial = nullptr);
  [[noreturn]] void Stop(int signal, const Step* partial = nullptr);
  void Resume(const Checkpoint& checkpoint);
  void ResumePartial(const Checkpoint& checkpoint, const Json& state);

  void Weigh(Step& step);
  NamedTensors PartialGradients() const;
  Json GatherPartial(const Step& step);
  double GradientNorm();
  void RequireRanksAgree();
  [[noreturn]] void NotFinite(const Step& step, std::string_view what) const;
  bool IsDue(int64_t every) const;
  bool TimeIsUp() const;
  bool IsFinished() const;  // at the end, or out of patience
  double Seconds() const;
  double Epoch() const;
  Json State() const;
  Json Result() const;

  TrainingTask& task_;
  TrainingRun& run_;
  RunIdentity identity_;
  TrainingOptions options_;
  RankGroup& ranks_;
  int64_t seed_;
  TrainingOrder order_;
  AdamW optimizer_;
  GradientReducer reducer_;
  Ema ema_;
  LossScale scale_;
  StopVote vote_;
  BackgroundWriter writer_;
  std::unique_ptr<TrainingLog> log_;  // the main rank's

  int64_t total_steps_ = 0;
  int64_t step_ = 0, samples_ = 0, saved_step_ = -1, evaluated_step_ = -1, since_best_ = 0;
  TrainingOrder::Position position_;
  bool evaluation_is_due_ = false;  // of step_, whose evaluation a signal cut
  StopVote::Result asked_;
  std::optional<Step> resumed_;  // cut amid its batches
  Json last_metrics_, best_;     // best_: {"step", "metrics"}
  double seconds_before_ = 0;    // of the run's earlier processes
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace genvinci
