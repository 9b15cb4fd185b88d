#include "genvinci/training/engine/training_order.h"

#include <algorithm>
#include <cmath>

#include "genvinci/core/error.h"

namespace genvinci {

TrainingOrder::TrainingOrder(const TrainingTask& task, const TrainingOptions& options, int64_t seed,
                             const RankGroup& ranks)
    : task_(task),
      batch_size_(options.batch_size * ranks.world()),
      accumulate_(options.accumulate),
      seed_(seed),
      rank_(ranks.rank()),
      world_(ranks.world()) {
  const auto batches = static_cast<int64_t>(task.EpochBatches(batch_size_, seed, 0).size());
  if (batches == 0)
    throw DataError("TRAIN_EMPTY", "the training part is empty: prepare the dataset with another split");
  steps_per_epoch_ = (batches + accumulate_ - 1) / accumulate_;
}

TrainingOrder::Step TrainingOrder::At(const Position& from) {
  if (from.epoch != epoch_ || from.ordered_for != ordered_for_) {
    batches_ = EpochBatches(from);
    epoch_ = from.epoch;
    ordered_for_ = from.ordered_for;
  }
  Step step;
  step.epoch = from.epoch;
  int64_t start = 0;
  for (const std::vector<int64_t>& items : batches_) {
    const auto size = static_cast<int64_t>(items.size());
    const int64_t skipped = std::clamp<int64_t>(from.taken - start, 0, size);
    start += size;
    if (skipped == size) continue;
    if (static_cast<int64_t>(step.batches.size()) == accumulate_) break;
    Batch batch;
    batch.all.assign(items.begin() + skipped, items.end());
    for (size_t i = static_cast<size_t>(rank_); i < batch.all.size(); i += static_cast<size_t>(world_))
      batch.mine.push_back(batch.all[i]);
    step.samples += static_cast<int64_t>(batch.all.size());
    step.batches.push_back(std::move(batch));
  }
  const int64_t taken = from.taken + step.samples;
  step.next = taken >= task_.size() ? Position{from.epoch + 1} : Position{from.epoch, taken, from.ordered_for};
  return step;
}

Batches TrainingOrder::EpochBatches(const Position& from) const {
  if (from.ordered_for == 0) return task_.EpochBatches(batch_size_, seed_, from.epoch);
  std::vector<int64_t> items;
  for (const std::vector<int64_t>& batch : task_.EpochBatches(from.ordered_for, seed_, from.epoch))
    items.insert(items.end(), batch.begin(), batch.end());
  // What is left of it in batches of the run's own.
  Batches batches;
  if (from.taken > 0) batches.emplace_back(items.begin(), items.begin() + from.taken);
  for (auto at = static_cast<size_t>(from.taken); at < items.size(); at += static_cast<size_t>(batch_size_)) {
    const size_t end = std::min(items.size(), at + static_cast<size_t>(batch_size_));
    batches.emplace_back(items.begin() + static_cast<int64_t>(at), items.begin() + static_cast<int64_t>(end));
  }
  return batches;
}

int64_t TrainingOrder::StepsLeft(const Position& from, int64_t epochs) const {
  const double done = static_cast<double>(from.taken) / static_cast<double>(task_.size());
  const auto done_steps = static_cast<int64_t>(std::floor(done * static_cast<double>(steps_per_epoch_)));
  return (epochs - from.epoch) * steps_per_epoch_ - done_steps;
}

}  // namespace genvinci
