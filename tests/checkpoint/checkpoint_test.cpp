#include "genvinci/checkpoint/checkpoint.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <set>

#include "core/temp_folder.h"
#include "genvinci/checkpoint/run_state.h"

namespace genvinci {
namespace checkpoint_test {

void Commit(const fs::path& run, int64_t step, bool best, int64_t keep = 2) {
  CheckpointWriter writer(run, step);
  writer.Tensors("model", {{"w", torch::full({3}, static_cast<double>(step))}});
  writer.Json("state", {{"kind", "mlm"}, {"step", step}});
  writer.Commit(best, keep);
}

float Weight(const Checkpoint& checkpoint) { return ToTensor(checkpoint.Tensors("model")->View("w"))[0].item<float>(); }

std::set<std::string> Names(const fs::path& folder) {
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.insert(entry.path().filename().string());
  return names;
}

TEST(Checkpoint, CommitsAndOpensBestAndLatest) {
  const TempFolder run;
  Commit(run.path(), 10, /*best=*/true);
  Commit(run.path(), 20, /*best=*/false);
  EXPECT_EQ(Weight(Checkpoint::Open(run.path())), 10);
  EXPECT_EQ(Weight(Checkpoint::Open(run.path(), "latest")), 20);
  EXPECT_EQ(Checkpoint::Open(run.path(), "step-20").step(), 20);
  EXPECT_EQ(Weight(Checkpoint::Open(run / "checkpoints/step-10")), 10);
  EXPECT_EQ(Slurp(run / "checkpoints/best"), "step-10\n");
  EXPECT_EQ(Slurp(run / "checkpoints/latest"), "step-20\n");
  const Checkpoint latest = Checkpoint::Open(run.path(), "latest");
  EXPECT_TRUE(latest.Has("state.json"));
  EXPECT_FALSE(latest.Has("manifest.json"));
  CatchError("CKPT_FILE", [&] { latest.Tensors("ema"); });
  CatchError("CKPT_KIND", [&] { latest.RequireKind("ldm"); });
}

TEST(Checkpoint, KnowsItsStepAndItsRun) {
  const TempFolder run;
  Commit(run.path(), 10, /*best=*/true);
  const Checkpoint checkpoint = Checkpoint::Open(run.path() / "checkpoints" / "step-10" / "");
  EXPECT_EQ(checkpoint.step(), 10);
  EXPECT_EQ(RunOf(checkpoint.path()), run.path());
  EXPECT_EQ(RunOf("runs/a/checkpoints/step-10/"), "runs/a");
  EXPECT_EQ(RunOf("a/checkpoints/step-10"), "a");
  EXPECT_EQ(RunOf("checkpoints/step-10"), fs::current_path());
  EXPECT_EQ(RunOf("/models/theirs/checkpoint_100.pth"), "/models/theirs");
  EXPECT_EQ(RunOf("checkpoint_100.pth"), fs::current_path());
}

TEST(Checkpoint, KeepsTheLastOnesAndTheBest) {
  const TempFolder run;
  for (int64_t step = 1; step <= 12; ++step) Commit(run.path(), step, /*best=*/step == 3);
  EXPECT_EQ(Names(run / "checkpoints"), (std::set<std::string>{"best", "latest", "step-3", "step-11", "step-12"}));
}

TEST(Checkpoint, NothingIsThereBeforeTheCommit) {
  const TempFolder run;
  Commit(run.path(), 1, /*best=*/true);
  {
    CheckpointWriter writer(run.path(), 2);
    writer.Tensors("model", {{"w", torch::ones({3})}});
    EXPECT_EQ(Checkpoint::Open(run.path(), "latest").step(), 1);
  }
  EXPECT_EQ(Names(run / "checkpoints"), (std::set<std::string>{"best", "latest", "step-1"}));
}

TEST(Checkpoint, RemovesWhatAKilledProcessLeft) {
  const TempFolder run;
  Spill(run / "checkpoints/.tmp-1-2-step-5/model.safetensors", "half");
  Commit(run.path(), 6, /*best=*/true);
  EXPECT_EQ(Names(run / "checkpoints"), (std::set<std::string>{"best", "latest", "step-6"}));
}

TEST(Checkpoint, TakesTheLastOneWhenThePointerDidNotFollow) {
  const TempFolder run;
  Commit(run.path(), 1, /*best=*/true);
  Commit(run.path(), 2, /*best=*/false);
  Spill(run / "checkpoints/latest", "step-1\n");
  EXPECT_EQ(Checkpoint::Open(run.path(), "latest").step(), 2);
}

TEST(Checkpoint, FallsBackFromADamagedOne) {
  const TempFolder run;
  Commit(run.path(), 1, /*best=*/false);
  Commit(run.path(), 2, /*best=*/true);
  const fs::path model = run / "checkpoints/step-2/model.safetensors";
  Spill(model, Slurp(model).substr(0, 20));
  testing::internal::CaptureStderr();
  EXPECT_EQ(Checkpoint::Open(run.path()).step(), 1);
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_NE(said.find("warning"), std::string::npos) << said;
  EXPECT_NE(said.find("step-2"), std::string::npos) << said;
  CatchError("CKPT_DAMAGED", [&] { Checkpoint::Open(run / "checkpoints/step-2"); });
  // Training comes by there again and puts it right.
  Commit(run.path(), 2, /*best=*/true);
  EXPECT_EQ(Checkpoint::Open(run.path()).step(), 2);
}

TEST(Checkpoint, SaysWhatIsMissing) {
  const TempFolder run;
  EXPECT_EQ(CatchError("CKPT_MISSING", [&] { Checkpoint::Open(run.path()); }).exit_code(), ExitCode::kMissingFile);
  CatchError("FILE_MISSING", [&] { Checkpoint::Open(run / "checkpoints/step-7"); });
}

// A network is drawn from without its optimizer, whose gigabytes need not be read.
TEST(Checkpoint, VerifiesWhatItIsOpenedFor) {
  const TempFolder run;
  CheckpointWriter writer(run.path(), 3);
  writer.Tensors("model", {{"weight", torch::ones({2})}});
  writer.Tensors("optimizer", {{"steps", torch::ones({2})}});
  writer.Json("state", {{"kind", "mlm"}});
  writer.Commit(/*best=*/true);
  Checkpoint::Open(run.path(), "latest", CheckpointUse::kAll);
  Spill(run / "checkpoints/step-3/optimizer.safetensors", "damaged");
  EXPECT_EQ(Checkpoint::Open(run.path()).step(), 3);
  CatchError("CKPT_DAMAGED", [&] { Checkpoint::Open(run.path()).Tensors("optimizer"); });
  CatchError("CKPT_DAMAGED", [&] { Checkpoint::Open(run.path(), "latest", CheckpointUse::kAll); });
  Spill(run / "checkpoints/step-3/model.safetensors", "damaged");
  CatchError("CKPT_DAMAGED", [&] { Checkpoint::Open(run.path()); });
}

TEST(Checkpoint, KeepsAVocabularyThatIsNotBuiltIn) {
  const TempFolder run;
  const Vocabulary own({{2, "ENSG00000000001", "ONE", 1.5}, {3, "ENSG00000000002", "TWO", 0.5}});
  for (const Vocabulary* vocabulary : {&own, &Vocabulary::GeneformerV1()}) {
    CheckpointWriter writer(run.path(), vocabulary->size());
    Json state = {{"kind", "mlm"}};
    state["vocabulary"] = writer.Vocabulary(*vocabulary);
    writer.Json("state", state);
    writer.Commit(/*best=*/true);
    const Checkpoint checkpoint = Checkpoint::Open(run.path());
    EXPECT_EQ(checkpoint.Has("vocabulary.json"), vocabulary == &own);
    EXPECT_EQ(checkpoint.Vocabulary().fingerprint(), vocabulary->fingerprint());
  }
}

// Every byte of every file, of a checkpoint that has nothing to fall back to.
TEST(FaultCheckpoint, NoticesEveryFlippedByte) {
  const TempFolder run;
  Commit(run.path(), 1, /*best=*/true);
  const fs::path folder = run / "checkpoints/step-1";
  for (const std::string& name : Names(folder)) {
    const std::string good = Slurp(folder / name);
    for (size_t at = 0; at < good.size(); ++at) {
      std::string bad = good;
      bad[at] = static_cast<char>(bad[at] ^ (1 << (at % 8)));
      Spill(folder / name, bad);
      ASSERT_THROW(Checkpoint::Open(run.path(), "best", CheckpointUse::kAll), Error) << name << " byte " << at;
    }
    Spill(folder / name, good);
    ASSERT_EQ(Checkpoint::Open(run.path()).step(), 1);
  }
}

// A file size limit makes write() fail at any place of any file.
TEST(FaultCheckpoint, AFailedWriteLeavesTheFormerOne) {
  const TempFolder run;
  Commit(run.path(), 1, /*best=*/true);
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  int failures = 0;
  for (rlim_t bytes = 0; bytes < 400; bytes += 5) {
    const rlimit small{bytes, before.rlim_max};
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
    std::string error;
    try {
      Commit(run.path(), 2, /*best=*/true);
    } catch (const IoError& caught) {
      error = caught.what();
    }
    setrlimit(RLIMIT_FSIZE, &before);
    if (error.empty()) break;
    ++failures;
    EXPECT_NE(error.find("File too large"), std::string::npos) << error;
    ASSERT_EQ(Checkpoint::Open(run.path(), "latest").step(), 1);
    ASSERT_EQ(Names(run / "checkpoints"), (std::set<std::string>{"best", "latest", "step-1"}));
  }
  EXPECT_GT(failures, 20);
  EXPECT_EQ(Checkpoint::Open(run.path()).step(), 2);
}

TEST(RunState, ReadsWhatItKnowsAndLeavesTheTasksKeys) {
  const Json written = {{"format", 2},
                        {"kind", "ldm"},
                        {"step", 7},
                        {"pipeline", {{"img_size", 64}}},
                        {"order", {{"epoch", 1}, {"taken", 2}, {"samples", 34}}},
                        {"facts", {{"dataset_fingerprint", "ab"}}},
                        {"sources", {{"aligner", "runs/a"}, {"conditions", {{"neighbours", 6}}}}}};
  const RunState state = RunState::Of(written, "state.json");
  EXPECT_EQ(state.step, 7);
  EXPECT_EQ(state.order.samples, 34);
  EXPECT_FALSE(state.order.batch.has_value());
  EXPECT_EQ(state.dataset_fingerprint(), "ab");
  EXPECT_EQ(state.sources.aligner, "runs/a");
  EXPECT_EQ(state.sources.autoencoder, "");
  EXPECT_EQ(state.sources.conditions.neighbours, 6);
  const RunState again = RunState::Of(ToJson(state), "state.json");
  EXPECT_EQ(ToJson(again), ToJson(state));
  Json wrong = written;
  wrong["order"]["epoch"] = "first";
  CatchError("CKPT_CONFIG", [&] { RunState::Of(wrong, "state.json"); });
}

TEST(RunState, OfThisFormatLacksNothingThatARunGoesOnBy) {
  RunState state;
  state.format = RunState::kFormat;
  const Json whole = ToJson(state);
  EXPECT_EQ(RunState::Of(whole, "state.json").format, RunState::kFormat);
  for (const char* field : {"/step", "/order/samples", "/best", "/loss_scale"}) {
    const Json without = whole.patch({{{"op", "remove"}, {"path", field}}});
    CatchError("CKPT_CONFIG", [&] { RunState::Of(without, "state.json"); });
  }
}

}  // namespace checkpoint_test
}  // namespace genvinci
