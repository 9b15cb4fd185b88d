#include "genvinci/studies/evaluation/evaluate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/temp_folder.h"
#include "genvinci/generation/generate.h"
#include "genvinci/io/image.h"
#include "testing/foreign_checkpoint.h"
#include "testing/tiny_dataset.h"
#include "testing/tiny_run.h"

namespace genvinci {
namespace evaluate_test {

// Mean squared difference on the scale of 0 to 1, pixel by pixel.
double Mse(const Image& a, const Image& b) {
  double sum = 0;
  for (size_t i = 0; i < a.bytes.size(); ++i) {
    const double difference = (static_cast<double>(a.bytes[i]) - static_cast<double>(b.bytes[i])) / 255;
    sum += difference * difference;
  }
  return sum / static_cast<double>(a.bytes.size());
}

class EvaluateTest : public testing::Test {
 protected:
  void SetUp() override {
    MakeTinyDataset(folder_ / "tiny");
    MakeTinyRun(folder_ / "run");
    out_ = folder_ / "out";
    Generate_(2, 0);
    options_.common.device = "cpu";
    options_.generated = out_.string();
    options_.baselines = {"mean"};
    options_.bootstraps = 200;
  }

  void Generate_(int64_t samples, int64_t limit, bool unconditional = false, const fs::path& checkpoint = "") {
    fs::remove_all(out_);
    GenerateOptions generate;
    generate.unconditional = unconditional;
    generate.common.device = "cpu";
    generate.common.output = out_.string();
    generate.dataset = (folder_ / "tiny").string();
    generate.checkpoint = (checkpoint.empty() ? folder_ / "run" : checkpoint).string();
    generate.img_size = 16;  // a run knows its own
    generate.num_samples = samples;
    generate.sampling.steps = 2;
    generate.limit = limit;
    Generate(generate);
  }

  Image Load(int i, int k) const { return ReadImage(out_ / fmt::format("{}_{}.png", i, k)); }

  TempFolder folder_;
  fs::path out_;
  EvaluateOptions options_;
};

TEST_F(EvaluateTest, ScoresAreMeansOverSamplesAndObservations) {
  const Json result = Evaluate(options_);
  EXPECT_EQ(result["n"], 4);
  EXPECT_EQ(result["n_samples"], 2);
  EXPECT_EQ(result["split"], "test");
  double expected = 0;
  for (int i = 0; i < 4; ++i) expected += (Mse(Load(i, 1), Load(i, 0)) + Mse(Load(i, 2), Load(i, 0))) / 8;
  EXPECT_NEAR(result["metrics"]["mse"]["generated"].get<double>(), expected, 1e-9);
  for (const char* metric : {"mse", "pcc", "psnr", "ssim"}) {
    for (const char* column : {"generated", "reconstructed", "mean_image", "shuffled"}) {
      EXPECT_TRUE(result["metrics"][metric][column].is_number()) << metric << " " << column;
    }
  }
}

TEST_F(EvaluateTest, MeanImageIsThatOfTheTrainingPart) {
  std::vector<double> mean(16 * 16 * 3, 0);
  for (int i = 0; i < 12; ++i) {
    const Image patch = ReadImage(folder_ / fmt::format("tiny/patches/spot_{}.png", i));
    for (size_t p = 0; p < mean.size(); ++p) mean[p] += patch.bytes[p] / 12.0;
  }
  double expected = 0;
  for (int i = 0; i < 4; ++i) {
    const Image real = Load(i, 0);
    for (size_t p = 0; p < mean.size(); ++p) {
      expected += (mean[p] - real.bytes[p]) * (mean[p] - real.bytes[p]) / 65025 / static_cast<double>(4 * mean.size());
    }
  }
  EXPECT_NEAR(Evaluate(options_)["metrics"]["mse"]["mean_image"].get<double>(), expected, 1e-9);
}

TEST_F(EvaluateTest, PerfectImagesBeatShuffledOnes) {
  for (int i = 0; i < 4; ++i) {
    for (int k = 1; k <= 2; ++k) {
      fs::copy_file(out_ / fmt::format("{}_0.png", i), out_ / fmt::format("{}_{}.png", i, k),
                    fs::copy_options::overwrite_existing);
    }
  }
  const Json result = Evaluate(options_);
  EXPECT_EQ(result["metrics"]["mse"]["generated"], 0.0);
  EXPECT_EQ(result["metrics"]["ssim"]["generated"], 1.0);
  EXPECT_NEAR(result["metrics"]["pcc"]["generated"].get<double>(), 1, 1e-12);
  // The PSNR of equal images is infinite: left out, and said so.
  EXPECT_TRUE(result["metrics"]["psnr"]["generated"].is_null());
  EXPECT_EQ(result["undefined"]["psnr"]["generated"], 4);
  // No observation meets its own image.
  EXPECT_GT(result["metrics"]["mse"]["shuffled"].get<double>(), 0);
  EXPECT_FALSE(result["undefined"]["psnr"].contains("shuffled"));
}

TEST_F(EvaluateTest, ScoresImagesOfAForeignCheckpoint) {
  fs::create_directories(folder_ / "theirs");
  const fs::path file = WriteForeignCheckpoint(folder_ / "theirs/checkpoint_100.safetensors", MakeForeignPipeline());
  Generate_(1, 0, /*unconditional=*/false, file);
  const Json result = Evaluate(options_);
  EXPECT_EQ(result["checkpoint"], file.string());
  double expected = 0;
  for (int i = 0; i < 4; ++i) expected += Mse(Load(i, 1), Load(i, 0)) / 4;
  EXPECT_NEAR(result["metrics"]["mse"]["generated"].get<double>(), expected, 1e-9);
  EXPECT_TRUE(result["metrics"]["mse"]["reconstructed"].is_number());
  EXPECT_EQ(result["test_reads"], 1);
  EXPECT_TRUE(fs::exists(folder_ / "theirs/test_reads.jsonl"));
}

TEST_F(EvaluateTest, WritesTableAndPicture) {
  Json result = Evaluate(options_);
  EXPECT_EQ(result["report"], (out_ / "report.html").string());
  result.erase("report");
  EXPECT_EQ(ReadJson(out_ / "evaluation.json"), result);
  const std::string table = Slurp(out_ / "evaluation.md");
  EXPECT_THAT(table, testing::HasSubstr(fmt::format("{:.4f}", result["metrics"]["ssim"]["generated"].get<double>())));
  EXPECT_THAT(table, testing::Not(testing::HasSubstr("same patient")));
  EXPECT_THAT(table, testing::HasSubstr("Shuffle gap"));
  // Four columns of 16 px enlarged four times; rows of real, reconstructed and two samples.
  const Image picture = ReadImage(out_ / "evaluation.png");
  EXPECT_GT(picture.width, 4 * 64);
  EXPECT_GT(picture.height, 4 * 64);
  EXPECT_EQ(picture.At(0, 0)[0], 255);
}

TEST_F(EvaluateTest, SaysWhenPatientsAreTheSame) {
  Json info = ReadJson(folder_ / "tiny/dataset.json");
  info["same_patient"] = true;
  WriteJson(folder_ / "tiny/dataset.json", info);
  EXPECT_TRUE(Evaluate(options_)["same_patient"].get<bool>());
  EXPECT_THAT(Slurp(out_ / "evaluation.md"), testing::HasSubstr("same patient"));
}

TEST_F(EvaluateTest, OneObservationCannotBeShuffled) {
  Generate_(1, 1);
  const Json result = Evaluate(options_);
  EXPECT_EQ(result["n"], 1);
  EXPECT_FALSE(result["metrics"]["mse"].contains("shuffled"));
}

TEST_F(EvaluateTest, LeavesOutTheBaselineThatIsNotAskedFor) {
  options_.baselines.clear();
  EXPECT_FALSE(Evaluate(options_)["metrics"]["mse"].contains("mean_image"));
}

// A larger test part, and an alignment run.
class DomainTest : public EvaluateTest {
 protected:
  void SetUp() override {
    EvaluateTest::SetUp();
    fs::remove_all(folder_ / "tiny");
    MakeTinyDataset(folder_ / "tiny", {.train = 30, .val = 10, .test = 40});
    MakeTinyAlignRun(folder_ / "align", Dataset::Open((folder_ / "tiny").string()));
    options_.align_path = (folder_ / "align").string();
    Generate_(2, 0);
  }

  void CopyReal() {
    for (int i = 0; i < 40; ++i) {
      for (int k = 1; k <= 2; ++k) {
        fs::copy_file(out_ / fmt::format("{}_0.png", i), out_ / fmt::format("{}_{}.png", i, k),
                      fs::copy_options::overwrite_existing);
      }
    }
  }
};

TEST_F(DomainTest, PerfectImagesReachTheCeiling) {
  CopyReal();
  options_.baselines = {"mean", "nearest", "cnn"};
  const Json result = Evaluate(options_);
  EXPECT_NEAR(result["metrics"]["frechet_domain"]["generated"].get<double>(), 0, 1e-9);
  EXPECT_GT(result["metrics"]["frechet_domain"]["mean_image"].get<double>(), 0.001);
  EXPECT_GT(result["metrics"]["frechet_domain"]["real_floor"].get<double>(), 0);
  EXPECT_TRUE(result["metrics"]["frechet_domain"]["shuffled"].is_null());
  EXPECT_EQ(result["metrics"]["recall"]["generated"], 1.0);
  EXPECT_EQ(result["metrics"]["feature_distance"]["generated"], 0.0);
  EXPECT_GT(result["shuffle_gap"]["feature_distance"]["ci95"][0].get<double>(), 0);
  // Colours of red and blue spots are told apart by any features.
  EXPECT_EQ(result["label_agreement"]["generated"], 1.0);
  EXPECT_EQ(result["label_agreement"]["nearest"], 1.0);
  EXPECT_EQ(result["label_agreement"]["majority"], 0.5);
  EXPECT_EQ(result["label_agreement"]["ci95"], Json({1.0, 1.0}));
  EXPECT_LT(result["metrics"]["mse"]["cnn"].get<double>(), result["metrics"]["mse"]["mean_image"].get<double>());
  EXPECT_EQ(result["memorisation"]["close_share"], 0.0);
  EXPECT_GT(ReadImage(out_ / "extremes.png").width, 12 * 16);
}

TEST_F(DomainTest, TrainingImagesAreFoundOut) {
  for (int i = 0; i < 40; ++i) {
    for (int k = 1; k <= 2; ++k) {
      fs::copy_file(folder_ / fmt::format("tiny/patches/spot_{}.png", (i + k) % 30),
                    out_ / fmt::format("{}_{}.png", i, k), fs::copy_options::overwrite_existing);
    }
  }
  const Json memory = Evaluate(options_)["memorisation"];
  EXPECT_EQ(memory["close_share"], 1.0);
  EXPECT_TRUE(memory["copies"].get<bool>());
}

// With its condition cut a model knows nothing of the genes, and the controls say so.
TEST_F(DomainTest, WithoutConditionThereIsNoGap) {
  Generate_(2, 0, /*unconditional=*/true);
  const Json result = Evaluate(options_);
  for (const char* metric : {"mse", "ssim", "feature_distance"}) {
    const Json interval = result["shuffle_gap"][metric]["ci95"];
    EXPECT_LT(interval[0].get<double>(), 0) << metric;
    EXPECT_GT(interval[1].get<double>(), 0) << metric;
  }
}

TEST_F(DomainTest, CountsHowOftenTestWasRead) {
  EXPECT_EQ(Evaluate(options_)["test_reads"], 1);
  EXPECT_EQ(Evaluate(options_)["test_reads"], 2);
  EXPECT_THAT(Slurp(out_ / "evaluation.md"), testing::HasSubstr("scored 2 times"));
}

TEST_F(DomainTest, RefusesTheAlignmentOfAnotherDataset) {
  MakeTinyDataset(folder_ / "other", {.train = 8});
  MakeTinyAlignRun(folder_ / "foreign", Dataset::Open((folder_ / "other").string()));
  options_.align_path = (folder_ / "foreign").string();
  CatchError("ALIGN_DATASET", [&] { Evaluate(options_); });
}

TEST_F(DomainTest, ABaselineThatLosesToTheMeanImageFails) {
  // Genes that tell nothing: the profiles of the test part are exchanged between the kinds.
  for (int i = 0; i < 40; i += 2) {
    fs::rename(out_ / fmt::format("{}_0.png", i), out_ / "swap.png");
    fs::rename(out_ / fmt::format("{}_0.png", i + 1), out_ / fmt::format("{}_0.png", i));
    fs::rename(out_ / "swap.png", out_ / fmt::format("{}_0.png", i + 1));
  }
  options_.baselines = {"mean", "cnn"};
  CatchError("BASELINE_CNN", [&] { Evaluate(options_); });
  EXPECT_FALSE(fs::exists(out_ / "evaluation.json"));
}

TEST_F(EvaluateTest, RefusesWhatIsNoGeneration) {
  EvaluateOptions other = options_;
  other.generated = (folder_ / "run").string();
  CatchError("FILE_MISSING", [&] { Evaluate(other); });
  MakeTinyDataset(folder_ / "small", {.train = 4, .val = 1, .test = 1});
  other = options_;
  other.dataset = (folder_ / "small").string();
  CatchError("GENERATION_OBSERVATION", [&] { Evaluate(other); });
  fs::remove(out_ / "2_1.png");
  CatchError("FILE_MISSING", [&] { Evaluate(options_); });
  WritePng(out_ / "2_1.png", Image(8, 8, 3));
  CatchError("GENERATED_IMAGE", [&] { Evaluate(options_); });
  EXPECT_FALSE(fs::exists(out_ / "evaluation.json"));
}

}  // namespace evaluate_test
}  // namespace genvinci
