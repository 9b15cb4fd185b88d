#include "genvinci/training/trainer.h"

#include <gtest/gtest.h>

#include <csignal>
#include <cstring>
#include <functional>
#include <limits>
#include <map>

#include "core/temp_folder.h"
#include "genvinci/core/log.h"
#include "genvinci/core/signals.h"

namespace genvinci {
namespace {

// Fits y = x with one layer, with drop-out and noise, so that every random stream counts.
class ToyTask : public TrainingTask {
 public:
  ToyTask() {
    at::manual_seed(1);
    layer_ = torch::nn::Linear(4, 4);
    data_ = torch::randn({10, 4});
  }
  std::string kind() const override { return "mlm"; }
  int64_t size() const override { return 10; }
  std::string ItemName(int64_t item) const override { return "item_" + std::to_string(item); }
  torch::nn::Module& module() override { return *layer_; }
  NamedTensors Trained() override { return StateOf(*layer_, "toy"); }
  NamedTensors State() override { return StateOf(*layer_, "toy"); }
  void Load(const TensorFile& file, const fs::path& path) override { LoadState(*layer_, "toy", file, path); }
  Json Describe() const override { return {{"toy", 1}}; }
  StepLoss Loss(const std::vector<int64_t>& items, const DrawKey& key) override {
    ItemDraws draws(key, items);
    if (before_loss) before_loss(++calls_);
    seen.insert(seen.end(), items.begin(), items.end());
    const torch::Tensor x = data_.index_select(0, torch::tensor(items));
    const torch::Tensor noisy = noise == 0 ? x : torch::dropout(x, 0.3, /*train=*/true) + noise * draws.Normal({4});
    const torch::Tensor loss = (layer_->forward(noisy) - x).square().mean();
    return {loss * factor, {{"part", loss.detach()}}};
  }
  std::optional<Evaluation> Evaluate(int64_t) override {
    if (!has_val) return std::nullopt;
    const double loss = (layer_->forward(data_) - data_).square().mean().item<double>();
    return Evaluation{{{"val_loss", loss}}, "val_loss", /*higher_is_better=*/false};
  }

  double factor = 1, noise = 0.1;
  bool has_val = true;
  std::vector<int64_t> seen;
  std::function<void(int)> before_loss;

 private:
  torch::nn::Linear layer_{nullptr};
  torch::Tensor data_;
  int calls_ = 0;
};

class TrainerTest : public testing::Test {
 protected:
  void SetUp() override { ClearStopSignal(); }
  void TearDown() override {
    ClearStopSignal();
    SetLogFile({});
  }

  static TrainingOptions Options() {
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

  Json Train(ToyTask& task, const std::string& name, const TrainingOptions& options) {
    CommonOptions common;
    common.output = (folder_ / name).string();
    PretrainOptions all;
    all.training = options;
    const RunIdentity identity{"pretrain", "mlm", "toy", ToJson(all), {{"dataset_fingerprint", "x"}}};
    RankGroup alone;
    TrainingRun run = OpenTrainingRun(identity, common, options, alone);
    return Trainer(task, run, identity, common, options, alone).Run();
  }

  std::map<int64_t, double> Losses(const std::string& name) {
    std::map<int64_t, double> losses;
    std::ifstream file(folder_ / name / "metrics.jsonl");
    for (std::string line; std::getline(file, line);) {
      const Json row = Json::parse(line);
      if (!row.contains("loss")) continue;
      EXPECT_TRUE(losses.emplace(row["step"], row["loss"]).second) << "twice: " << line;
    }
    return losses;
  }

  TempFolder folder_;
};

TEST_F(TrainerTest, LearnsAndKeepsTheBest) {
  ToyTask task;
  TrainingOptions options = Options();
  options.max_steps = 60;
  const Json result = Train(task, "run", options);
  const auto losses = Losses("run");
  EXPECT_EQ(losses.size(), 60u);
  EXPECT_LT(losses.at(60), 0.5 * losses.at(1));
  EXPECT_TRUE(result["finished"].get<bool>());
  EXPECT_EQ(Checkpoint::Open(folder_ / "run").step(), result["best_step"].get<int64_t>());
  const Json state = Checkpoint::Open(folder_ / "run", "latest").Json("state");
  EXPECT_EQ(state["step"], Json(60));
  EXPECT_EQ(state["order"]["epoch"], Json(20));
  EXPECT_EQ(state["options"]["training"]["batch_size"], Json(4));
  // Each item once an epoch.
  for (int64_t item = 0; item < 10; ++item) EXPECT_EQ(std::count(task.seen.begin(), task.seen.end(), item), 20);
}

// One step a process: every cut point at once.
TEST_F(TrainerTest, CutAtEveryStepGivesTheSameBits) {
  ToyTask whole;
  Train(whole, "straight", Options());
  TrainingOptions options = Options();
  options.max_minutes = 1e-9;
  options.resume = "auto";
  std::vector<int64_t> seen;
  torch::Tensor weight;
  for (int i = 0; i < 12; ++i) {
    ToyTask task;
    const Json result = Train(task, "cut", options);
    EXPECT_EQ(result["step"], Json(i + 1));
    seen.insert(seen.end(), task.seen.begin(), task.seen.end());
    weight = task.State()[0].second;
  }
  EXPECT_EQ(seen, whole.seen);
  EXPECT_EQ(Losses("cut"), Losses("straight"));
  EXPECT_TRUE(weight.equal(whole.State()[0].second));
  const Checkpoint a = Checkpoint::Open(folder_ / "straight", "latest"),
                   b = Checkpoint::Open(folder_ / "cut", "latest");
  for (const char* file : {"model.safetensors", "ema.safetensors", "optimizer.safetensors"})
    EXPECT_EQ(Slurp(a.path() / file), Slurp(b.path() / file)) << file;
}

TEST_F(TrainerTest, AccumulationEqualsALargerBatch) {
  ToyTask one, two;
  one.noise = two.noise = 0;
  TrainingOptions options = Options();
  options.batch_size = 10;
  Train(one, "one", options);
  options.batch_size = 5;
  options.accumulate = 2;
  Train(two, "two", options);
  EXPECT_TRUE(one.State()[0].second.allclose(two.State()[0].second, 1e-5, 1e-6));
}

TEST_F(TrainerTest, StopsBeforeAnUpdateThatIsNotFinite) {
  for (const bool in_gradient : {false, true}) {
    ToyTask task;
    const std::string name = in_gradient ? "gradient" : "loss";
    torch::Tensor before;
    task.before_loss = [&](int call) {
      if (call != 6) return;
      before = task.State()[0].second.detach().clone();
      // A finite loss of 1e38 has a gradient norm beyond float's range.
      task.factor = in_gradient ? 1e38 : std::numeric_limits<double>::quiet_NaN();
    };
    const Error error = CatchError("TRAIN_NOT_FINITE", [&] { Train(task, name, Options()); });
    EXPECT_EQ(error.exit_code(), ExitCode::kNotFinite);
    EXPECT_NE(std::string(error.what()).find("step 6"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find(task.ItemName(task.seen.back())), std::string::npos) << error.what();
    EXPECT_TRUE(task.State()[0].second.equal(before));
    EXPECT_EQ(Checkpoint::Open(folder_ / name, "latest").step(), 5);
  }
}

TEST_F(TrainerTest, SavesWhenASignalCame) {
  ToyTask task;
  task.before_loss = [](int call) {
    if (call == 7) std::raise(SIGTERM);
  };
  InstallSignalHandlers();
  try {
    Train(task, "run", Options());
    FAIL() << "not stopped";
  } catch (const Interrupted& error) {
    EXPECT_EQ(error.exit_code(), ExitCode::kTerminated);
  }
  EXPECT_EQ(Checkpoint::Open(folder_ / "run", "latest").step(), 7);
  ClearStopSignal();
  ToyTask rest;
  TrainingOptions options = Options();
  options.resume = (folder_ / "run").string();
  EXPECT_TRUE(Train(rest, "", options)["finished"].get<bool>());
  ToyTask whole;
  Train(whole, "straight", Options());
  EXPECT_TRUE(rest.State()[0].second.equal(whole.State()[0].second));
}

// After any batch of a step: what it has summed up so far is kept.
TEST_F(TrainerTest, CutAmidAStepGivesTheSameBits) {
  InstallSignalHandlers();
  TrainingOptions options = Options();
  options.batch_size = 2;
  options.accumulate = 3;  // of 5 batches an epoch: steps of 3 and 2
  options.max_steps = 6;
  options.log_steps = 4;  // a row's mean spans several processes
  ToyTask whole;
  Train(whole, "straight", options);
  for (int cut = 1; cut <= 14; ++cut) {
    const std::string name = "cut" + std::to_string(cut);
    ToyTask task;
    task.before_loss = [&](int call) {
      if (call == cut) std::raise(SIGTERM);
    };
    EXPECT_THROW(Train(task, name, options), Interrupted);
    EXPECT_EQ(task.seen.size(), static_cast<size_t>(2 * cut));
    ClearStopSignal();
    ToyTask rest;
    TrainingOptions again = options;
    again.resume = "auto";
    Train(rest, name, again);
    EXPECT_EQ(rest.seen.size() + task.seen.size(), whole.seen.size());
    EXPECT_EQ(Losses(name), Losses("straight"));
    for (const char* file : {"model.safetensors", "ema.safetensors", "optimizer.safetensors"})
      EXPECT_EQ(Slurp(Checkpoint::Open(folder_ / name, "latest").path() / file),
                Slurp(Checkpoint::Open(folder_ / "straight", "latest").path() / file))
          << file << " cut after batch " << cut;
  }
}

TEST_F(TrainerTest, KeepsSoManyCheckpoints) {
  ToyTask task;
  TrainingOptions options = Options();
  options.save_steps = 1;
  options.eval_steps = 12;
  options.keep_last = 4;
  Train(task, "run", options);
  int64_t count = 0;
  for (const auto& entry : fs::directory_iterator(folder_ / "run/checkpoints")) count += entry.is_directory();
  EXPECT_EQ(count, 4);
}

TEST_F(TrainerTest, AveragesOnTheHostAreTheSame) {
  ToyTask here, host;
  TrainingOptions options = Options();
  Train(here, "here", options);
  options.ema_device = "host";
  Train(host, "host", options);
  EXPECT_EQ(Slurp(Checkpoint::Open(folder_ / "here", "latest").path() / "ema.safetensors"),
            Slurp(Checkpoint::Open(folder_ / "host", "latest").path() / "ema.safetensors"));
}

TEST_F(TrainerTest, HalfPrecisionLearnsToo) {
  for (const char* precision : {"bf16", "fp16"}) {
    ToyTask task;
    TrainingOptions options = Options();
    options.max_steps = 60;
    options.precision = precision;
    Train(task, precision, options);
    const auto losses = Losses(precision);
    EXPECT_LT(losses.at(60), 0.5 * losses.at(1)) << precision;
    EXPECT_EQ(task.State()[0].second.scalar_type(), torch::kFloat32);
  }
}

// In fp16 an overflow leaves the update out and halves the scale; it is an error when it does not end.
TEST_F(TrainerTest, OverflowInHalfPrecisionIsSkipped) {
  ToyTask task;
  TrainingOptions options = Options();
  options.precision = "fp16";
  torch::Tensor before, after;
  task.before_loss = [&](int call) {
    task.factor = call == 5 ? 1e38 : 1;
    if (call == 5) before = task.State()[0].second.detach().clone();
    if (call == 6) after = task.State()[0].second.detach().clone();
  };
  Train(task, "once", options);
  EXPECT_TRUE(before.equal(after));
  const Json state = Checkpoint::Open(folder_ / "once", "latest").Json("state");
  // Halved for this step and before, for the first: 65,536 is too much for this network.
  EXPECT_EQ(state["loss_scale"]["scale"], Json(16384.0));
  EXPECT_EQ(state["loss_scale"]["good"], Json(7));

  ToyTask lost;
  lost.factor = 1e38;
  options.max_steps = 100;
  options.eval_steps = options.save_steps = 100;
  const Error error = CatchError("TRAIN_NOT_FINITE", [&] { Train(lost, "always", options); });
  EXPECT_NE(std::string(error.what()).find("25 updates in a row"), std::string::npos) << error.what();
}

TEST_F(TrainerTest, RefusesToGoOnWithOtherOptions) {
  ToyTask task;
  TrainingOptions options = Options();
  options.max_minutes = 1e-9;
  Train(task, "run", options);
  options.resume = "auto";
  options.lr = 0.01;
  options.log_steps = 7;  // may differ
  const Error error = CatchError("RESUME_OPTIONS", [&] { Train(task, "run", options); });
  EXPECT_EQ(error.exit_code(), ExitCode::kBadConfig);
  EXPECT_NE(std::string(error.what()).find("training.lr was 0.05, is 0.01"), std::string::npos) << error.what();
  EXPECT_EQ(std::string(error.what()).find("log_steps"), std::string::npos) << error.what();
}

TEST_F(TrainerTest, WithoutValTheLatestIsTheBest) {
  ToyTask task;
  task.has_val = false;
  const Json result = Train(task, "run", Options());
  EXPECT_EQ(result["best_step"], Json(12));
  EXPECT_EQ(Checkpoint::Open(folder_ / "run").step(), 12);
}

TEST_F(TrainerTest, CountsEpochs) {
  ToyTask task;
  TrainingOptions options = Options();
  options.max_steps = 0;
  options.epochs = 2;
  EXPECT_EQ(Train(task, "run", options)["step"], Json(6));
  options.epochs = 0;
  CatchError("TRAIN_LENGTH", [&] { Train(task, "none", options); });
}

}  // namespace
}  // namespace genvinci
