#include "genvinci/training/engine/trainer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <functional>
#include <limits>
#include <map>

#include "core/temp_folder.h"
#include "genvinci/core/log.h"
#include "genvinci/core/signals.h"
#include "testing/gpu.h"
#include "training/toy_task.h"

namespace genvinci {
namespace trainer_test {

class TrainerTest : public testing::Test {
 protected:
  void SetUp() override { ClearStopSignal(); }
  void TearDown() override {
    ClearStopSignal();
    SetLogFile({});
  }

  static TrainingOptions Options() { return ToyOptions(); }

  Json Train(ToyTask& task, const std::string& name, const TrainingOptions& options) {
    RankGroup alone;
    return TrainToy(task, name.empty() ? fs::path() : folder_ / name, options, alone);
  }

  // Of the steps that have it.
  std::map<int64_t, double> Column(const std::string& name, const char* key) {
    std::map<int64_t, double> column;
    std::ifstream file(folder_ / name / "metrics.jsonl");
    for (std::string line; std::getline(file, line);) {
      const Json row = Json::parse(line);
      if (!row.contains(key)) continue;
      EXPECT_TRUE(column.emplace(row["step"], row[key]).second) << "twice: " << line;
    }
    return column;
  }
  std::map<int64_t, double> Losses(const std::string& name) { return Column(name, "loss"); }
  std::map<int64_t, double> Evaluations(const std::string& name) { return Column(name, "val_loss"); }

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
  ExpectEqualState(folder_ / "cut", folder_ / "straight");
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
    ExpectEqualState(folder_ / name, folder_ / "straight");
  }
}

// An evaluation may take longer than a batch system waits: it is left, and made when the run goes on.
TEST_F(TrainerTest, CutAmidAnEvaluationGivesTheSameBits) {
  InstallSignalHandlers();
  ToyTask whole;
  Train(whole, "straight", Options());
  for (const int64_t at : {5, 12}) {
    const std::string name = "cut" + std::to_string(at);
    ToyTask task;
    task.in_evaluation = [&](int64_t step) {
      if (step != at) return;
      std::raise(SIGUSR1);
      ThrowIfStopped("while it evaluates");
    };
    try {
      Train(task, name, Options());
      FAIL() << "not stopped";
    } catch (const Interrupted& error) {
      EXPECT_EQ(error.exit_code(), ExitCode::kRequeue);
      EXPECT_NE(std::string(error.what()).find("saved step " + std::to_string(at)), std::string::npos) << error.what();
    }
    EXPECT_EQ(Checkpoint::Open(folder_ / name, "latest").step(), at);
    ClearStopSignal();
    ToyTask rest;
    TrainingOptions options = Options();
    options.resume = "auto";
    const Json result = Train(rest, name, options);
    EXPECT_EQ(Losses(name), Losses("straight"));
    EXPECT_EQ(Evaluations(name), Evaluations("straight"));
    EXPECT_EQ(Checkpoint::Open(folder_ / name).step(), Checkpoint::Open(folder_ / "straight").step());
    ExpectEqualState(folder_ / name, folder_ / "straight");
  }
}

// Items of similar length go together, so that the order is another with another batch.
class ToyByLength : public ToyTask {
 public:
  Batches EpochBatches(int64_t batch_size, int64_t seed, int64_t epoch) const override {
    return BatchesByLength({1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, batch_size, seed, epoch);
  }
};

TEST_F(TrainerTest, GoingOnWithAnotherBatchTakesEachItemOfTheEpochOnce) {
  InstallSignalHandlers();
  TrainingOptions options = Options();
  options.batch_size = 3;
  ToyByLength task;
  task.before_loss = [](int call) {
    if (call == 2) std::raise(SIGTERM);
  };
  EXPECT_THROW(Train(task, "run", options), Interrupted);
  ClearStopSignal();
  options.batch_size = 2;
  options.resume = "auto";
  options.allow_inexact_resume = true;
  ToyByLength rest;
  Train(rest, "run", options);
  std::vector<int64_t> epoch = task.seen;
  epoch.insert(epoch.end(), rest.seen.begin(), rest.seen.begin() + 10 - static_cast<int64_t>(task.seen.size()));
  std::sort(epoch.begin(), epoch.end());
  EXPECT_EQ(epoch, (std::vector<int64_t>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
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

using GpuTrainer = TrainerTest;

// In each precision, with the averages here or there.
TEST_F(GpuTrainer, CutAtEveryStepGivesTheSameBits) {
  GENVINCI_NEEDS_GPU();
  RankGroup gpu(torch::Device(torch::kCUDA, 0));
  for (const char* precision : {"fp32", "bf16", "fp16"}) {
    TrainingOptions options = Options();
    options.precision = precision;
    options.ema_device = precision == std::string("fp32") ? "host" : "device";
    const fs::path straight = folder_ / fmt::format("straight_{}", precision), cut = folder_ / precision;
    ToyTask whole(gpu.device());
    TrainToy(whole, straight, options, gpu);
    options.max_minutes = 1e-9;
    options.resume = "auto";
    for (int i = 0; i < 12; ++i) {
      ToyTask task(gpu.device());
      TrainToy(task, cut, options, gpu);
    }
    ExpectEqualState(cut, straight);
  }
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

// A batch system starts a job again; which run is its own, its number tells.
TEST_F(TrainerTest, AJobThatComesBackGoesOnWithItsOwnRunAlone) {
  const fs::path before = fs::current_path();
  fs::current_path(folder_.path());
  const auto train = [](const char* job, int restart, double max_minutes) {
    ::setenv("SLURM_JOB_ID", job, 1);
    RankEnvironment environment;
    environment.restart = restart;
    RankGroup alone(environment, RankOptions(), torch::kCPU);
    TrainingOptions options = Options();
    options.max_minutes = max_minutes;
    ToyTask task;
    return TrainToy(task, "", options, alone);
  };
  const Json first = train("1", 0, 1e-9);
  const Json other = train("2", 1, 1e-9);
  EXPECT_NE(other["run"], first["run"]);
  EXPECT_EQ(other["step"], Json(1));
  const Json unknown = train("", 1, 1e-9);
  EXPECT_EQ(unknown["step"], Json(1));
  EXPECT_NE(unknown["run"], other["run"]);
  const Json again = train("1", 1, 0);
  EXPECT_EQ(again["run"], first["run"]);
  EXPECT_EQ(again["step"], Json(12));
  ::unsetenv("SLURM_JOB_ID");
  SetLogFile({});
  fs::current_path(before);
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

}  // namespace trainer_test
}  // namespace genvinci
