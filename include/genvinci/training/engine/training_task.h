#pragma once

#include <torch/torch.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "genvinci/core/json.h"
#include "genvinci/core/signals.h"
#include "genvinci/distributed/rank_group.h"
#include "genvinci/genes/vocabulary.h"
#include "genvinci/tensor/convert.h"
#include "genvinci/tensor/item_draws.h"
#include "genvinci/training/engine/batch_order.h"

namespace genvinci {

struct StepLoss {
  torch::Tensor loss;                                        // scalar, the mean over what the batch weighs
  std::vector<std::pair<std::string, torch::Tensor>> parts;  // scalars, for the log
};

struct Evaluation {
  Json metrics = Json::object();
  std::string selection;  // the metric that chooses the best checkpoint
  bool higher_is_better = false;
};

// Between the batches of an evaluation, which may take long: throws Interrupted when a signal came, so that the Trainer
// saves. Ranks go on, since the others wait for what this one scores.
inline void ThrowIfStoppedAlone(const RankGroup& ranks) {
  if (ranks.world() == 1) ThrowIfStopped("stopped while scoring: what was trained is saved");
}

// What the Trainer trains.
class TrainingTask {
 public:
  virtual ~TrainingTask() = default;

  virtual std::string kind() const = 0;  // "mlm", "autoencoder", "align", "ldm"
  virtual int64_t size() const = 0;      // items of the training part
  virtual std::string ItemName(int64_t item) const = 0;

  virtual torch::nn::Module& module() = 0;  // its train() and eval() are called
  virtual NamedTensors Trained() = 0;       // the parameters that the optimizer moves, named as in State()
  // All that generation needs. Parameters of module() that want no gradient never change in a run.
  virtual NamedTensors State() = 0;
  virtual void Load(const TensorFile& file, const fs::path& path) = 0;
  // Configuration for state.json, besides what the Trainer knows.
  virtual Json Describe() const = 0;
  virtual const Vocabulary* vocabulary() const { return nullptr; }

  // Must give equally many batches in every epoch; `batch_size` is that of all ranks together.
  virtual Batches EpochBatches(int64_t batch_size, int64_t seed, int64_t epoch) const {
    return ShuffledBatches(size(), batch_size, seed, epoch);
  }
  // All randomness comes from ItemDraws(key, items) and, in drop-out, from torch's default generator, which is set for
  // each batch.
  virtual StepLoss Loss(const std::vector<int64_t>& items, const DrawKey& key) = 0;
  // Over how much Loss takes the mean; a step's gradient is that of the mean over all its batches and ranks.
  virtual bool WeighsItemsAlike() const { return true; }
  virtual double Weight(const std::vector<int64_t>& items, const DrawKey&) const {
    return static_cast<double>(items.size());
  }
  // On every rank, with the averaged weights in place, in evaluation mode, without gradients. Nothing where there is no
  // val part.
  virtual std::optional<Evaluation> Evaluate(int64_t step) = 0;
  // On the main rank, with the averaged weights in place: what is measured for the checkpoint.
  virtual void BeforeSave() {}
};

}  // namespace genvinci
