#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "core/temp_folder.h"
#include "genvinci/training/engine/run_task.h"
#include "genvinci/training/engine/trainer.h"

namespace genvinci {

// Fits y = x with one layer, with drop-out and noise, so that every random stream counts.
class ToyTask : public TrainingTask {
 public:
  explicit ToyTask(const torch::Device& device = torch::kCPU) {
    at::manual_seed(1);
    layer_ = torch::nn::Linear(4, 4);
    layer_->to(device);
    data_ = torch::randn({10, 4}).to(device);
  }
  std::string kind() const override { return "mlm"; }
  int64_t size() const override { return 10; }
  std::string ItemName(int64_t item) const override { return "item_" + std::to_string(item); }
  torch::nn::Module& module() override { return *layer_; }
  NamedTensors Trained() override { return StateOf(*layer_, "toy"); }
  NamedTensors State() override { return StateOf(*layer_, "toy"); }
  void Load(const TensorFile& file, const fs::path& path) override { LoadState(*layer_, "toy", file, path); }
  void BeforeSave() override {
    if (before_save) before_save();
  }
  Json Describe() const override { return {{"toy", 1}}; }
  StepLoss Loss(const std::vector<int64_t>& items, const DrawKey& key) override {
    ItemDraws draws(key, items);
    if (before_loss) before_loss(++calls_);
    seen.insert(seen.end(), items.begin(), items.end());
    const torch::Tensor x = data_.index_select(0, torch::tensor(items).to(data_.device()));
    const torch::Tensor noisy =
        noise == 0 ? x : torch::dropout(x, 0.3, /*train=*/true) + noise * draws.Normal({4}).to(data_.device());
    const torch::Tensor loss = (layer_->forward(noisy) - x).square().mean();
    return {loss * factor, {{"part", loss.detach()}}};
  }
  std::optional<Evaluation> Evaluate(int64_t step) override {
    if (!has_val) return std::nullopt;
    if (in_evaluation) in_evaluation(step);
    const double loss = (layer_->forward(data_) - data_).square().mean().item<double>();
    return Evaluation{{{"val_loss", loss}}, "val_loss", /*higher_is_better=*/false};
  }

  double factor = 1, noise = 0.1;
  bool has_val = true;
  std::vector<int64_t> seen;
  std::function<void(int)> before_loss;
  std::function<void(int64_t)> in_evaluation;
  std::function<void()> before_save;

 private:
  torch::nn::Linear layer_{nullptr};
  torch::Tensor data_;
  int calls_ = 0;
};

inline TrainingOptions ToyOptions() {
  TrainingOptions options;
  options.max_steps = 12;
  options.batch_size = 4;
  options.lr = 0.05;
  options.warmup_steps = 3;
  options.ema_decay = 0.9;
  options.eval_steps = 5;
  options.save_steps = 4;
  options.log_steps = 1;
  return options;
}

inline Json TrainToy(ToyTask& task, const fs::path& output, const TrainingOptions& options, RankGroup& ranks) {
  CommonOptions common;
  common.output = output.string();
  PretrainOptions all;
  all.training = options;
  const RunIdentity identity = IdentityOf("pretrain", "mlm", "toy", all, {{"dataset_fingerprint", "x"}});
  TrainingRun run = OpenTrainingRun(identity, common, options, ranks);
  return Trainer(task, run, identity, common, options, ranks).Run();
}

inline void ExpectEqualState(const fs::path& run, const fs::path& other) {
  const Checkpoint a = Checkpoint::Open(run, "latest"), b = Checkpoint::Open(other, "latest");
  for (const char* file : {"model.safetensors", "ema.safetensors", "optimizer.safetensors"})
    EXPECT_EQ(Slurp(a.path() / file), Slurp(b.path() / file)) << run << " " << file;
}

}  // namespace genvinci
