#include "genvinci/training/engine/dry_run.h"

#include <c10/core/CachingDeviceAllocator.h>

#include <algorithm>
#include <chrono>

#include "genvinci/core/log.h"
#include "genvinci/core/median.h"
#include "genvinci/core/memory.h"
#include "genvinci/core/signals.h"
#include "genvinci/core/text.h"
#include "genvinci/nn/checkpointed_layers.h"
#include "genvinci/tensor/autocast.h"
#include "genvinci/tensor/random.h"
#include "genvinci/training/engine/adamw.h"
#include "genvinci/training/engine/ema.h"
#include "genvinci/training/engine/training_order.h"

namespace genvinci {
namespace {

constexpr int64_t kTimedBatches = 3;
constexpr int64_t kLeastItems = 64;

// Seconds that `work` takes, on the device too.
template <typename Work>
double SecondsOf(const torch::Device& device, const Work& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  if (device.is_cuda()) torch::cuda::synchronize();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

struct Measured {
  double batch_seconds = 0, update_seconds = 0;
  int64_t parameters = 0, state_bytes = 0;  // of optimizer and averages
};

// Trains on a few batches. The first, for which memory is found and kernels are chosen, is not counted.
Measured Measure(TrainingTask& task, const TrainingPlan& plan, RankGroup& ranks) {
  const TrainingOptions& options = plan.training;
  SetGradientCheckpointing(task.module(), options.gradient_checkpointing);
  AdamW optimizer(task.Trained(), {.weight_decay = options.weight_decay, .beta2 = options.beta2});
  Ema ema(task.Trained(), options.ema_decay, options.ema_device == "host");
  TrainingOptions one_batch = options;
  one_batch.accumulate = 1;
  TrainingOrder order(task, one_batch, plan.common.seed, ranks);
  TrainingOrder::Position position;
  std::vector<double> batches, updates;
  task.module().train();
  for (int64_t k = 0; k <= kTimedBatches; ++k) {
    ThrowIfStopped("stopped: nothing was written");
    const TrainingOrder::Step step = order.At(position);
    position = step.next;
    const auto& batch = step.batches.front();
    optimizer.ZeroGrad();
    at::manual_seed(StreamKey(plan.common.seed, "step", {k, 0, ranks.rank()}));
    batches.push_back(SecondsOf(ranks.device(), [&] {
      torch::Tensor loss;
      {
        const Autocast autocast(ranks.device(), options.precision);
        loss = task.Loss(batch.mine.empty() ? batch.all : batch.mine, {plan.common.seed, step.epoch}).loss;
      }
      loss.backward();
    }));
    updates.push_back(SecondsOf(ranks.device(), [&] {
      optimizer.ClipGradients(optimizer.GradientNorm(), options.grad_clip);
      optimizer.Step(options.lr);
      if (ema.enabled()) ema.Update(k);
    }));
  }
  batches.erase(batches.begin());
  updates.erase(updates.begin());
  Measured measured{Median(batches), Median(updates)};
  for (const auto& [name, tensor] : optimizer.parameters()) measured.parameters += tensor.numel();
  measured.state_bytes = optimizer.bytes();
  for (const auto& [name, tensor] : ema.State()) measured.state_bytes += static_cast<int64_t>(tensor.nbytes());
  return measured;
}

}  // namespace

int64_t DryRunItems(const TrainingOptions& options) {
  return std::max(kLeastItems, (kTimedBatches + 1) * options.batch_size);
}

DatasetUse UseOf(const TrainingOptions& options) {
  return options.dry_run ? DatasetUse::kWriteNothing : DatasetUse::kKeepCaches;
}

TrainingDataset OpenTrainingDataset(const std::string& dataset, const TrainingOptions& options) {
  const Dataset whole = Dataset::Open(dataset, UseOf(options));
  const auto items = static_cast<int64_t>(whole.Indices(Split::kTrain).size());
  if (!options.dry_run) return {whole, items};
  return {whole.Excerpt(DryRunItems(options), kLeastItems), items};
}

Json DryRun(const TrainingPlan& plan, RankGroup& ranks) {
  const TrainingOptions& options = plan.training;
  const std::unique_ptr<TrainingTask> task = plan.make_task({});
  const int64_t batch = options.batch_size * ranks.world();
  const int64_t batches = (plan.train_items + batch - 1) / batch;
  const int64_t steps_per_epoch = (batches + options.accumulate - 1) / options.accumulate;
  const int64_t steps = PlannedSteps(options, options.epochs * steps_per_epoch);
  const Measured measured = Measure(*task, plan, ranks);
  const double seconds = static_cast<double>(options.accumulate) * measured.batch_seconds + measured.update_seconds;
  double minutes = static_cast<double>(steps) * seconds / 60;
  if (options.max_minutes > 0) minutes = std::min(minutes, options.max_minutes);
  // A checkpoint is written off a copy of weights, averages and the optimizer's state.
  uint64_t memory = PeakMemory() + static_cast<uint64_t>(measured.state_bytes);
  for (const auto& [name, tensor] : task->State()) memory += tensor.nbytes();
  Json result = {{"dry_run", true},
                 {"items", plan.train_items},
                 {"parameters", measured.parameters},
                 {"steps", steps},
                 {"steps_per_epoch", steps_per_epoch},
                 {"seconds_per_step", seconds},
                 {"minutes", minutes},
                 {"memory", memory}};
  if (ranks.device().is_cuda()) {
    const auto stats = c10::getDeviceAllocator(c10::kCUDA)->getDeviceStats(ranks.device().index());
    result["gpu_memory"] = stats.reserved_bytes[static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE)].peak;
  }
  result["options"] = plan.identity.options;
  Log("dry run: {} steps of {:.3g} s, about {:.1f} min without evaluations and checkpoints; about {} of memory; "
      "nothing was written",
      steps, seconds, minutes, HumanBytes(static_cast<double>(memory)));
  return result;
}

}  // namespace genvinci
