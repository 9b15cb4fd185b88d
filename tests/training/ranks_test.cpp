// Training on two ranks, each a process, by Gloo.
#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdlib>
#include <thread>

#include "distributed/rank_bodies.h"
#include "genvinci/checkpoint/checkpoint.h"
#include "genvinci/core/log.h"
#include "genvinci/core/signals.h"
#include "testing/fault_record.h"
#include "training/tiny_training.h"
#include "training/toy_task.h"

namespace genvinci {
namespace ranks_test {

constexpr int64_t kSteps = 40;

// Options of one task, as JSON, so that a rank can be told them by a file.
struct Told {
  std::string task;
  Json options;
};

Json Train(const Told& told) {
  at::set_num_threads(1);
  SetQuiet(true);
  const auto run = [&](auto options, auto train) {
    FromJson(told.options, options, "");
    options.common.device = "cpu";
    return train(options);
  };
  if (told.task == "pretrain") return run(PretrainOptions(), Pretrain);
  if (told.task == "autoencoder") return run(AutoencoderOptions(), TrainAutoencoder);
  return run(FinetuneOptions(), Finetune);
}

RANK_BODY(TrainAsTold) {
  const Json told = ReadJson(folder / "told.json");
  // Several starts of one run, each with a store of its own.
  const int port = std::atoi(std::getenv("MASTER_PORT"));
  for (int64_t start = 0; start < told.at("starts").get<int64_t>(); ++start) {
    ::setenv("MASTER_PORT", std::to_string(port + start).c_str(), 1);
    Train({told.at("task"), told.at("options")});
  }
}

class E2eRanks : public testing::TestWithParam<const char*> {
 protected:
  static void SetUpTestSuite() {
    at::set_num_threads(1);
    SetQuiet(true);
    folder_ = std::make_unique<TempFolder>();
    // 17 items in batches of 8: the last batch of an epoch has one, so that a rank has none.
    MakeTinyDataset(*folder_ / "tiny", {.train = 17, .val = 6, .test = 3});
    TinyTraining(folder_->path()).FinetuneSetup("");  // what fine-tuning starts from
  }
  static void TearDownTestSuite() {
    SetQuiet(false);
    folder_.reset();
  }
  void TearDown() override { SetLogFile({}); }

  // The task of the test's parameter; "finetune_bn": with batch normalisation in the conditioner.
  static Told Setup(const std::string& parameter, const std::string& output) {
    const TinyTraining tiny(folder_->path());
    const auto with_training = [&](auto options) {
      options.training.max_steps = kSteps;
      options.training.batch_size = 8;
      options.training.lr = 1e-3;
      options.training.eval_steps = options.training.save_steps = 20;
      options.common.threads = 1;
      return options;
    };
    if (parameter == "pretrain") {
      PretrainOptions options = with_training(tiny.PretrainSetup(output));
      options.transformer.dropout = 0;
      return {"pretrain", ToJson(options)};
    }
    if (parameter == "autoencoder") return {"autoencoder", ToJson(with_training(tiny.AutoencoderSetup(output)))};
    FinetuneOptions options = with_training(tiny.FinetuneSetup(output));
    options.models.transformer.dropout = 0;
    if (parameter == "finetune_bn") {
      options.models.conditioner.kind = "genvinci";
      options.gene_dropout = 0;
    }
    return {"finetune", ToJson(options)};
  }

  static void TrainOnTwo(Told told, int64_t starts = 1) {
    told.options["training"]["batch_size"] = 4;
    WriteJson(*folder_ / "told.json", {{"task", told.task}, {"options", told.options}, {"starts", starts}});
    RankStart start{"TrainAsTold", 2};
    start.timeout = 300;
    for (const RankEnd& end : StartRanks(folder_->path(), start)) ASSERT_EQ(end.code, 0) << end.err;
  }

  static fs::path Run(const Told& told) { return told.options["common"]["output"].get<std::string>(); }

  static void ExpectEqualBits(const fs::path& a, const fs::path& b) {
    const Checkpoint one = Checkpoint::Open(a, "latest"), other = Checkpoint::Open(b, "latest");
    EXPECT_EQ(one.step(), other.step());
    for (const char* file : {"model.safetensors", "ema.safetensors", "optimizer.safetensors", "frozen.safetensors"}) {
      ASSERT_EQ(one.Has(file), other.Has(file)) << file;
      if (one.Has(file)) {
        EXPECT_TRUE(Slurp(one.path() / file) == Slurp(other.path() / file)) << file;
      }
    }
  }

  // Straight on, and one step a start.
  static void ExpectExactResume(const std::string& name, const std::function<void(const Told&, int64_t)>& train) {
    const Told straight = Setup(name, name + "_straight");
    Told cut = Setup(name, name + "_cut");
    cut.options["training"]["resume"] = "auto";
    cut.options["training"]["max_minutes"] = 1e-9;
    for (const Told& told : {straight, cut}) fs::remove_all(Run(told));
    train(straight, 1);
    train(cut, kSteps);
    EXPECT_EQ(Losses(Run(straight)), Losses(Run(cut)));
    EXPECT_EQ(Losses(Run(cut)).size(), static_cast<size_t>(kSteps));
    ExpectEqualBits(Run(straight), Run(cut));
  }

  static bool IsFull() { return std::getenv("GENVINCI_FAULT_FULL") != nullptr; }

  static std::unique_ptr<TempFolder> folder_;
};
std::unique_ptr<TempFolder> E2eRanks::folder_;

TEST_P(E2eRanks, TwoTrainAsOneWithTwiceTheBatch) {
  const std::string name = GetParam();
  const Told one = Setup(name, name + "_one"), two = Setup(name, name + "_two");
  Train(one);
  // The latents are encoded anew, by both.
  fs::remove(*folder_ / "tiny/cache/latents.safetensors");
  TrainOnTwo(two);
  const auto expected = Losses(Run(one)), found = Losses(Run(two));
  ASSERT_EQ(expected.size(), static_cast<size_t>(kSteps));
  ASSERT_EQ(found.size(), expected.size());
  double worst = 0;
  for (const auto& [step, loss] : expected) worst = std::max(worst, std::abs(found.at(step) / loss - 1));
  EXPECT_LE(worst, 1e-4);
  RecordProperty("worst_relative_difference", std::to_string(worst));
  // What is measured on val does not depend on the ranks either.
  const char* metric = name == "autoencoder" ? "val_psnr" : "val_loss";
  const auto of_one = Rows(Run(one), metric), of_two = Rows(Run(two), metric);
  ASSERT_EQ(of_one.size(), 2u);
  ASSERT_EQ(of_two.size(), 2u);
  for (size_t i = 0; i < of_one.size(); ++i)
    EXPECT_NEAR(of_one[i][metric].get<double>() / of_two[i][metric].get<double>(), 1, 1e-3);
  EXPECT_TRUE(fs::exists(Run(two) / "log.rank1.txt"));
}

TEST_P(E2eRanks, TwoResumeAtEveryStepToTheSameBits) {
  const std::string name = GetParam();
  if (name != "pretrain" && name != "finetune" && !IsFull())
    GTEST_SKIP() << "one of each kind is enough here: GENVINCI_FAULT_FULL=1 runs it";
  ExpectExactResume(name, [](const Told& told, int64_t starts) { TrainOnTwo(told, starts); });
}

TEST_P(E2eRanks, OneResumesAtEveryStepToTheSameBits) {
  if (!IsFull()) GTEST_SKIP() << "E2eTraining cuts shorter runs: GENVINCI_FAULT_FULL=1 runs it";
  ExpectExactResume(GetParam(), [](const Told& told, int64_t starts) {
    for (int64_t start = 0; start < starts; ++start) Train(told);
  });
}

TEST_P(E2eRanks, ZeroGivesTheSameBits) {
  const std::string name = GetParam();
  const Told whole = Setup(name, name + "_whole");
  Told spread = Setup(name, name + "_zero");
  spread.options["training"]["zero"] = true;
  TrainOnTwo(whole);
  TrainOnTwo(spread);
  EXPECT_EQ(Losses(Run(whole)), Losses(Run(spread)));
  ExpectEqualBits(Run(whole), Run(spread));
}

INSTANTIATE_TEST_SUITE_P(, E2eRanks, testing::Values("pretrain", "autoencoder", "finetune", "finetune_bn"),
                         [](const auto& info) { return std::string(info.param); });

// A toy on two ranks that a signal cuts: once amid the batches of each step, once amid an evaluation. It comes to rank
// 1 alone, and the main rank takes its time to save.
TrainingOptions ToyOnTwo() {
  TrainingOptions options = ToyOptions();
  options.batch_size = 1;
  options.accumulate = 3;  // of 5 batches an epoch: steps of 3 and 2
  options.max_steps = 6;
  options.eval_steps = 3;
  return options;
}

void OnToyRanks(const std::function<void(RankGroup&)>& work) {
  at::set_num_threads(1);
  SetQuiet(true);
  InstallSignalHandlers();
  CommonOptions common;
  common.device = "cpu";
  WithRanks(RankOptions(), common, [&](RankGroup& ranks) {
    work(ranks);
    return Json();
  });
}

RANK_BODY(TrainToyOnTwo) {
  OnToyRanks([&](RankGroup& ranks) {
    TrainingOptions options = ToyOnTwo();
    options.resume = "auto";
    ToyTask task;
    TrainToy(task, folder / "run", options, ranks);
  });
}
RANK_BODY(StopToyOnTwo) {
  const int64_t cut = ReadJson(folder / "cut.json").get<int64_t>();
  OnToyRanks([&](RankGroup& ranks) {
    ToyTask task;
    task.before_loss = [&](int call) {
      if (ranks.rank() == 1 && call == cut) std::raise(SIGTERM);
    };
    task.in_evaluation = [&](int64_t) {
      if (ranks.rank() == 1 && cut == 0) std::raise(SIGTERM);
      ranks.ThrowIfAnyStopped("while it evaluates");
    };
    task.before_save = [&] { std::this_thread::sleep_for(std::chrono::seconds(cut == 1 ? 3 : 0)); };
    TrainToy(task, folder / "run", ToyOnTwo(), ranks);
  });
}
TEST(FaultToyRanks, ASignalToOneCutsAllAnywhereAndTheyGoOnToTheSameBits) {
  const TempFolder folder;
  const auto start = [&](const char* body, int code) {
    for (const RankEnd& end : StartRanks(folder.path(), {body, 2})) {
      EXPECT_EQ(end.code, code) << end.err;
      EXPECT_EQ(end.err.find("saved step") != std::string::npos, code != 0) << end.err;
    }
  };
  int64_t cases = 0;
  start("TrainToyOnTwo", 0);
  fs::rename(folder / "run", folder / "straight");
  const bool all = std::getenv("GENVINCI_FAULT_FULL") != nullptr;
  for (const int64_t cut : all ? std::vector<int64_t>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14}
                               : std::vector<int64_t>{0, 1, 2, 3, 4, 8}) {
    ++cases;
    WriteJson(folder / "cut.json", cut);
    start("StopToyOnTwo", 143);
    start("TrainToyOnTwo", 0);
    ExpectEqualState(folder / "run", folder / "straight");
    EXPECT_EQ(Losses(folder / "run"), Losses(folder / "straight")) << cut;
    fs::remove_all(folder / "run");
  }
  RecordFaults("two ranks, SIGTERM to one: amid an evaluation, and after each batch of accumulated steps", cases,
               testing::Test::HasFailure() ? 0 : cases);
}

RANK_BODY(OtherOptions) {
  OnToyRanks([&](RankGroup& ranks) {
    TrainingOptions options = ToyOptions();
    if (!ranks.is_main()) options.lr = 1;
    ToyTask task;
    TrainToy(task, folder / "run", options, ranks);
  });
}
RANK_BODY(OtherWeights) {
  OnToyRanks([&](RankGroup& ranks) {
    ToyTask task;
    if (!ranks.is_main()) torch::NoGradGuard(), task.State()[0].second.data()[0][0] += 1e-6;
    TrainToy(task, folder / "run", ToyOptions(), ranks);
  });
}
TEST(FaultToyRanks, RanksThatDifferAreRefused) {
  for (const auto& [body, text] : std::map<const char*, const char*>{
           {"OtherOptions", "training.lr was 0.05, is 1"}, {"OtherWeights", "the weights of rank 1 are not"}}) {
    const TempFolder folder;
    const auto ends = StartRanks(folder.path(), {body, 2});
    EXPECT_EQ(ends[1].code, 78) << ends[1].err;
    EXPECT_NE(ends[1].err.find("error[RANKS_DIFFER]"), std::string::npos) << ends[1].err;
    EXPECT_NE(ends[1].err.find(text), std::string::npos) << ends[1].err;
    EXPECT_TRUE(ends[0].code == 71 || ends[0].code == 78) << ends[0].code;
  }
}

using E2eRanksResume = E2eRanks;

TEST_F(E2eRanksResume, AtAnotherNumberOfRanksIsRefusedUnlessAskedFor) {
  Told told = Setup("pretrain", "other_world");
  told.options["training"]["max_minutes"] = 1e-9;
  told.options["training"]["zero"] = true;
  TrainOnTwo(told);
  told.options["training"]["max_minutes"] = 0;
  told.options["training"]["resume"] = "auto";
  told.options["training"]["batch_size"] = 4;
  const Error error = CatchError("RESUME_OPTIONS", [&] { Train(told); });
  EXPECT_NE(std::string(error.what()).find("number of ranks was 2, is 1"), std::string::npos) << error.what();
  told.options["training"]["allow_inexact_resume"] = true;
  const Json result = Train(told);
  EXPECT_EQ(result["step"], Json(kSteps));
  const auto losses = Losses(Run(told));
  EXPECT_LT(losses.at(kSteps), losses.at(1));
}

}  // namespace ranks_test
}  // namespace genvinci
