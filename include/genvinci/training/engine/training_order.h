#pragma once

#include <cstdint>
#include <vector>

#include "genvinci/distributed/rank_group.h"
#include "genvinci/training/engine/training_task.h"
#include "genvinci/training/training_options.h"

namespace genvinci {

// Which items each step trains on. An epoch's order depends on (seed, epoch), and on the batch of all ranks together
// (batch_size times their number) where items of similar length go together, not on how many ranks share it. It is cut
// into such batches, and of each a rank takes every W-th item. A run that goes on with another batch keeps the order of
// the epoch that it is in.
class TrainingOrder {
 public:
  struct Position {
    int64_t epoch = 0;
    int64_t taken = 0;        // items of this epoch
    int64_t ordered_for = 0;  // batch that its order was made for, 0: the run's own
  };
  struct Batch {
    std::vector<int64_t> all, mine;
  };
  struct Step {
    std::vector<Batch> batches;  // as many as are accumulated, fewer at an epoch's end
    int64_t epoch = 0, samples = 0;
    Position next;
  };

  // DataError TRAIN_EMPTY where there is nothing to train on.
  TrainingOrder(const TrainingTask& task, const TrainingOptions& options, int64_t seed, const RankGroup& ranks);

  int64_t steps_per_epoch() const { return steps_per_epoch_; }
  int64_t batch_size() const { return batch_size_; }  // of all ranks
  // The step that starts at `from`; where that lies within a batch (of a run with other options), the rest of it.
  Step At(const Position& from);
  // Steps from `from` to the end of the last of `epochs`.
  int64_t StepsLeft(const Position& from, int64_t epochs) const;

 private:
  Batches EpochBatches(const Position& from) const;

  const TrainingTask& task_;
  int64_t batch_size_, accumulate_, seed_;
  int rank_, world_;
  int64_t steps_per_epoch_ = 0;
  int64_t epoch_ = -1, ordered_for_ = 0;  // of batches_
  Batches batches_;
};

}  // namespace genvinci
