#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <fstream>
#include <random>
#include <set>

#include "commands/program.h"
#include "core/temp_folder.h"
#include "genvinci/core/files.h"
#include "genvinci/core/json.h"
#include "genvinci/core/sha256.h"
#include "genvinci/core/text.h"
#include "genvinci/io/h5ad.h"
#include "genvinci/io/image.h"

// Runs the built program as a user does.

namespace genvinci {
namespace commands_test {

using testing::HasSubstr;

constexpr int64_t kSpots = 24, kSide = 16;
const std::array<const char*, 6> kGenes = {"ENSG00000141736", "ENSG00000170421", "ENSG00000108821",
                                           "ENSG00000167286", "ENSG00000170323", "ENSG00000132693"};

// An h5ad with images in folder/in: three sections, counts from a fixed stream.
void MakeInput(const fs::path& folder, float scale = 1, const char* gene_prefix = nullptr) {
  std::mt19937 random(7);
  fs::create_directories(folder / "in/images");
  DataFrame obs, var;
  std::vector<std::string> sections;
  for (int64_t i = 0; i < kSpots; ++i) {
    obs.index.push_back(fmt::format("spot{}", i));
    sections.push_back(i < 16 ? "a" : i < 20 ? "b" : "c");
    Image image(kSide, kSide, 3);
    for (uint8_t& byte : image.bytes) byte = random() % 256;
    WritePng(folder / fmt::format("in/images/spot{}.png", i), image);
  }
  obs.Set("section", FrameColumn::Strings(sections));
  for (size_t g = 0; g < kGenes.size(); ++g)
    var.index.push_back(gene_prefix ? fmt::format("{}{:011}", gene_prefix, g) : kGenes[g]);
  var.Set("ensg_id", FrameColumn::Strings(var.index));
  H5adWriter writer(folder / "in/data.h5ad", obs, var);
  DenseArray spatial{kSpots, 2, {}}, scores{kSpots, 1, {}};
  for (int64_t i = 0; i < kSpots; ++i) {
    spatial.values.insert(spatial.values.end(), {100.0 * static_cast<double>(i), 0});
    scores.values.push_back(static_cast<double>(i % 3));
  }
  writer.SetObsm("spatial", spatial);
  writer.SetObsm("X_scores", scores);
  for (int64_t i = 0; i < kSpots; ++i) {
    std::vector<float> row;
    for (size_t g = 0; g < kGenes.size(); ++g) row.push_back(scale * (1 + random() % 50));
    writer.AppendDense(row);
  }
  writer.Finish();
}

// But for the last bits of sums, and what tells of the run itself.
void ExpectAlike(const Json& a, const Json& b, const std::string& key = "") {
  static const std::set<std::string> kOfTheRun = {"command_line", "test_reads"};
  if (kOfTheRun.contains(key)) return;
  ASSERT_EQ(a.is_number(), b.is_number()) << key;
  if (a.is_number()) {
    EXPECT_NEAR(a.get<double>(), b.get<double>(), 1e-5 * (1 + std::abs(a.get<double>()))) << key;
  } else if (a.is_structured()) {
    ASSERT_EQ(a.size(), b.size()) << key;
    const auto items = a.items();
    for (auto i = items.begin(); i != items.end(); ++i)
      ExpectAlike(i.value(), a.is_array() ? b[std::stoul(i.key())] : b.at(i.key()), a.is_array() ? key : i.key());
  } else {
    EXPECT_EQ(a, b) << key;
  }
}

const std::string kPrepare =
    "prepare --technology h5ad --input in/data.h5ad --images in/images --output dataset/d "
    "--split obs:section --val_values b --test_values c ";
const std::string kQuick = "--model tiny --max_steps 4 --batch_size 4 --log_steps 1 --threads 1 ";

class E2ePipeline : public testing::Test {
 protected:
  void Run(const std::string& arguments) {
    const Outcome outcome = Genvinci(folder_.path(), arguments);
    ASSERT_EQ(outcome.code, 0) << arguments << "\n" << outcome.err;
  }
  // The images of g and g_two.
  static int LargestDifference(const fs::path& root, const std::string& name) {
    const Image a = ReadImage(root / "g" / name), b = ReadImage(root / "g_two" / name);
    int largest = a.bytes.size() == b.bytes.size() ? 0 : 256;
    for (size_t i = 0; i < a.bytes.size() && largest < 256; ++i)
      largest = std::max(largest, std::abs(int{a.bytes[i]} - int{b.bytes[i]}));
    return largest;
  }
  // Logs apart.
  static std::set<std::string> NamesIn(const fs::path& folder) {
    std::set<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder)) {
      const std::string name = entry.path().filename().string();
      if (!name.starts_with("log")) names.insert(name);
    }
    return names;
  }
  TempFolder folder_;
};

// The runs made from a dataset fit a copy in another folder, with other times.
TEST_F(E2ePipeline, ACopyOfTheDatasetTrainsOnDrawsAndScores) {
  MakeInput(folder_.path());
  Run(kPrepare);
  Run("align --dataset d --output al " + kQuick);
  Run("autoencoder --dataset d --output ae --save_steps 2 " + kQuick);
  Run("autoencoder --dataset d --output cut --save_steps 2 --max_minutes 0.00001 " + kQuick);
  Run("finetune --dataset d --autoencoder_path ae --align_path al --img_size 16 --guidance_candidates 1.5 "
      "--steps_candidates 3 --steps 3 --output ldm " +
      kQuick);
  const fs::path copy = folder_ / "elsewhere/renamed";
  fs::create_directories(copy.parent_path());
  fs::copy(folder_ / "dataset/d", copy, fs::copy_options::recursive);
  fs::remove_all(copy / "cache");
  for (const auto& entry : fs::recursive_directory_iterator(copy))
    fs::last_write_time(entry.path(), fs::file_time_type::clock::now() - std::chrono::hours(48));
  fs::remove_all(folder_ / "dataset");

  Run("autoencoder --dataset elsewhere/renamed --output cut --save_steps 2 --resume auto " + kQuick);
  EXPECT_EQ(Sha256OfFile(folder_ / "cut/checkpoints/step-4/model.safetensors"),
            Sha256OfFile(folder_ / "ae/checkpoints/step-4/model.safetensors"));
  Run("generate --dataset elsewhere/renamed --checkpoint ldm --num_samples 1 --steps 3 --output g");
  Run("evaluate --generated g --dataset elsewhere/renamed --align_path al --baselines mean --bootstraps 10");
  EXPECT_TRUE(ReadJson(folder_ / "g/evaluation.json")["metrics"].contains("frechet_domain"));

  // Another image is another dataset.
  WritePng(copy / "patches/spot0.png", Image(kSide, kSide, 3));
  const Outcome changed = Genvinci(
      folder_.path(), "evaluate --generated g --dataset elsewhere/renamed --align_path al --baselines mean --output e");
  EXPECT_EQ(changed.code, 65) << changed.err;
  EXPECT_THAT(changed.err, HasSubstr("ALIGN_DATASET"));
  EXPECT_THAT(changed.err, HasSubstr("have changed since they were prepared"));
}

TEST_F(E2ePipeline, FromFilesToScores) {
  MakeInput(folder_.path());
  Run(kPrepare);
  Run("pretrain --dataset d --output mlm " + kQuick);
  Run("align --dataset d --pretrain_mlm_path mlm --output al " + kQuick);
  Run("autoencoder --dataset d --output ae " + kQuick);
  Run("finetune --dataset d --pretrain_mlm_path mlm --autoencoder_path ae --align_path al --img_size 16 "
      "--guidance_candidates 1.5 --steps_candidates 3 --output ldm " +
      kQuick);
  Run("generate --dataset d --checkpoint ldm --generate --test --num_samples 2 --batch_size 4 --steps 3 --rank "
      "--output g");
  const fs::path& root = folder_.path();
  for (int i = 0; i < 4; ++i)
    for (int k = 0; k <= 2; ++k) EXPECT_TRUE(fs::exists(root / fmt::format("g/{}_{}.png", i, k)));
  EXPECT_FALSE(fs::exists(root / "g/4_0.png"));
  EXPECT_TRUE(fs::exists(root / "g/test_samples.png"));
  EXPECT_EQ(H5adFile(root / "g/samples.h5ad").n_obs(), 8);
  EXPECT_EQ(ReadImage(root / "g/0_0.png").bytes, ReadImage(root / "in/images/spot20.png").bytes);
  // Two ranks draw what one draws, but for the last bit of a sum.
  Run("generate --dataset d --checkpoint ldm --generate --test --num_samples 2 --batch_size 4 --steps 3 --rank "
      "--devices 2 --output g_two");
  EXPECT_EQ(NamesIn(root / "g_two"), NamesIn(root / "g"));
  for (int i = 0; i < 4; ++i)
    for (int k = 0; k <= 2; ++k) EXPECT_LE(LargestDifference(root, fmt::format("{}_{}.png", i, k)), 1) << i << " " << k;

  Run("evaluate --generated g --baselines mean,nearest --bootstraps 50");
  const Json scores = ReadJson(root / "g/evaluation.json");
  for (const char* metric : {"mse", "pcc", "psnr", "ssim"})
    for (const char* column : {"generated", "reconstructed", "mean_image"})
      EXPECT_TRUE(scores["metrics"][metric][column].is_number()) << metric << " " << column;
  EXPECT_EQ(scores["n"], 4);
  EXPECT_TRUE(scores["metrics"]["frechet_domain"]["generated"].is_number());
  EXPECT_EQ(scores["test_reads"], 1);
  EXPECT_THAT(ReadFile(root / "g/report.html"), HasSubstr("Choice of the sampling on val"));

  // Ranks score what one scores.
  Run("evaluate --generated g --baselines mean,nearest --bootstraps 50 --devices 3 --output g_three");
  ExpectAlike(scores, ReadJson(root / "g_three/evaluation.json"));
  EXPECT_EQ(NamesIn(root / "g_three"), (std::set<std::string>{"evaluation.json", "evaluation.md", "evaluation.png",
                                                              "extremes.png", "report.html"}));

  Run("generate --dataset d --checkpoint ldm --extract --output e");
  Run("generate --dataset d --checkpoint ldm --extract --devices 2 --output e_two");
  // One rank has nothing to do.
  Run("generate --dataset d --checkpoint ldm --extract --limit 1 --devices 2 --output e_one");
  for (const char* name : {"gf_embs", "text_embs", "time_embs"}) {
    const auto embeddings = [&](const char* folder) { return H5adFile(root / folder / "embeddings.h5ad").Obsm(name); };
    const DenseArray one = embeddings("e"), two = embeddings("e_two"), first = embeddings("e_one");
    ASSERT_EQ(two.rows, one.rows);
    ASSERT_EQ(first.rows, 1);
    for (size_t i = 0; i < one.values.size(); ++i) EXPECT_NEAR(two.values.at(i), one.values[i], 1e-5);
    for (size_t i = 0; i < first.values.size(); ++i) EXPECT_NEAR(first.values[i], one.values.at(i), 1e-5);
  }
  // The other conditions, with the defaults of a size.
  Run("finetune --dataset d --autoencoder_path ae --vector obsm:X_scores --img_size 16 --output by_vector " + kQuick);
  Run("finetune --dataset d --pretrain_mlm_path mlm --autoencoder_path ae --img_size 16 --output semantic "
      "--set models.conditioner.kind=genvinci --semantic_path " GENVINCI_SOURCE_DIR "/tests/weights/data/vit_timm " +
      kQuick);
  Run("finetune --dataset d --pretrain_mlm_path mlm --autoencoder_path ae --img_size 16 --neighbours 2 --output "
      "near_by " +
      kQuick);
  Run("generate --dataset d --checkpoint near_by --num_samples 1 --steps 3 --second_guidance 2 --output told");
  // Hardly noised, each observation's image comes back as the autoencoder has it; from noise alone it does not.
  Run("generate --dataset d --checkpoint ldm --num_samples 1 --steps 20 --strength 0.05 --output near");
  const auto distance = [&](const char* made) {
    const Image a = ReadImage(root / made), b = ReadImage(root / "near/0_1.png");
    double sum = 0;
    for (size_t i = 0; i < a.bytes.size(); ++i) sum += std::abs(int{a.bytes[i]} - int{b.bytes[i]});
    return sum;
  };
  Run("generate --dataset d --checkpoint ldm --num_samples 1 --steps 20 --strength 0.1 --output nearly");
  Run("generate --dataset d --checkpoint ldm --num_samples 1 --steps 20 --output far");
  EXPECT_LT(distance("nearly/0_1.png"), distance("far/0_1.png"));
  for (const char* path : {"dataset/d", "mlm", "al", "ldm", "in/data.h5ad", "g/0_1.png"}) {
    const Outcome inspected = Genvinci(root, std::string("inspect --json ") + path);
    EXPECT_EQ(inspected.code, 0) << inspected.err;
    EXPECT_TRUE(ParseJson(inspected.out, "inspect").contains("kind"));
  }
}

TEST_F(E2ePipeline, InterruptLeavesALoadableCheckpoint) {
  MakeInput(folder_.path());
  Run(kPrepare);
  const Outcome stopped = Genvinci(
      folder_.path(), "autoencoder --dataset d --output ae --model tiny --max_steps 1000000 --batch_size 2 --threads 1",
      "timeout --preserve-status -s INT 6");
  EXPECT_EQ(stopped.code, 130) << stopped.err;
  const Outcome inspected = Genvinci(folder_.path(), "inspect ae");
  EXPECT_EQ(inspected.code, 0) << inspected.err;
  EXPECT_THAT(inspected.out, HasSubstr("step"));
}

class E2eBadInput : public testing::Test {
 protected:
  Outcome Run(const std::string& arguments, const std::string& before = "") {
    return Genvinci(folder_.path(), arguments, before);
  }
  void PrepareWhole() {
    MakeInput(folder_.path());
    const Outcome outcome = Run(kPrepare);
    ASSERT_EQ(outcome.code, 0) << outcome.err;
  }
  TempFolder folder_;
};

TEST_F(E2eBadInput, UnknownFlagKeyAndValue) {
  ExpectError(Run("pretrain --datset x"), 2, "FLAG_UNKNOWN", "--dataset");
  ExpectError(Run("pretrain --dataset x --batch_size 0"), 2, "CONFIG_RANGE", "batch_size");
  ExpectError(Run("pretrain --dataset x --set training.lrr=1"), 78, "CONFIG_UNKNOWN_KEY", "lr");
  ExpectError(Run("generate --dataset x"), 2, "FLAG_MISSING", "--checkpoint");
}

TEST_F(E2eBadInput, RanksOfACommandThatHasNone) {
  ExpectError(Run("inspect x", "RANK=1 WORLD_SIZE=2 MASTER_ADDR=127.0.0.1 MASTER_PORT=20000"), 78, "ONE_PROCESS",
              "inspect");
}

TEST_F(E2eBadInput, MissingFiles) {
  ExpectError(Run("pretrain --dataset nothing_here"), 66, "DATASET_MISSING", "nothing_here");
  ExpectError(Run("inspect nothing_here"), 66, "FILE_MISSING", "nothing_here");
  ExpectError(Run("prepare --technology h5ad --input none.h5ad --output dataset/d"), 66, "FILE_MISSING", "none.h5ad");
  PrepareWhole();
  ExpectError(Run("finetune --dataset d --autoencoder_path none --model tiny"), 66, "RUN_MISSING", "none");
}

TEST_F(E2eBadInput, NormalisedCounts) {
  MakeInput(folder_.path(), /*scale=*/0.37f);
  const Outcome outcome = Run(kPrepare);
  ExpectError(outcome, 65, "LAYER_NOT_COUNTS", "X");
  EXPECT_FALSE(fs::exists(folder_.path() / "dataset/d"));
}

TEST_F(E2eBadInput, MouseAndUnknownGenes) {
  MakeInput(folder_.path(), 1, "ENSMUSG");
  ExpectError(Run(kPrepare), 65, "GENES_UNMATCHED", "mouse");
  fs::remove_all(folder_.path() / "in");
  MakeInput(folder_.path(), 1, "GENE_");
  ExpectError(Run(kPrepare), 65, "GENES_UNMATCHED", "%");
  EXPECT_FALSE(fs::exists(folder_.path() / "dataset/d"));
}

TEST_F(E2eBadInput, MissingAndCorruptImages) {
  MakeInput(folder_.path());
  fs::remove(folder_.path() / "in/images/spot3.png");
  const Outcome missing = Run(kPrepare);
  EXPECT_EQ(missing.code, 0) << missing.err;
  EXPECT_THAT(missing.err, HasSubstr("1 of 24 observations have no image and are dropped"));
  fs::remove_all(folder_.path() / "dataset/d");
  std::ofstream(folder_.path() / "in/images/spot3.png") << "\x89PNG\r\n\x1a\n and no more";
  const Outcome corrupt = Run(kPrepare);
  EXPECT_EQ(corrupt.code, 65) << corrupt.err;
  EXPECT_THAT(LastLine(corrupt.err), HasSubstr("spot3.png"));
  EXPECT_FALSE(fs::exists(folder_.path() / "dataset/d"));
  fs::remove_all(folder_.path() / "in/images");
  ExpectError(Run(kPrepare), 66, "IMAGE_MISSING", "in/images");
}

TEST_F(E2eBadInput, OutputThatExists) {
  PrepareWhole();
  ExpectError(Run(kPrepare), 73, "OUTPUT_EXISTS", "dataset/d");
}

TEST_F(E2eBadInput, CheckpointOfAnotherKindAndArchitecture) {
  PrepareWhole();
  ASSERT_EQ(Run("pretrain --dataset d --output mlm " + kQuick).code, 0);
  ASSERT_EQ(Run("autoencoder --dataset d --output ae " + kQuick).code, 0);
  ExpectError(Run("generate --dataset d --checkpoint mlm"), 65, "CKPT_KIND", "mlm");
  const Outcome other =
      Run("finetune --dataset d --pretrain_mlm_path mlm --autoencoder_path ae --img_size 16 "
          "--set models.transformer.hidden=64 " +
          kQuick);
  EXPECT_EQ(other.code, 65) << other.err;
  EXPECT_THAT(LastLine(other.err), HasSubstr("error[CKPT_"));
}

TEST_F(E2eBadInput, FullDiskLosesNothing) {
  PrepareWhole();
  ASSERT_EQ(Run("autoencoder --dataset d --output ae " + kQuick).code, 0);
  const std::string before = Sha256OfFile(folder_.path() / "ae/run.json");
  // No file may grow beyond 8 KiB: as a disk that is full.
  const Outcome full = Run("autoencoder --dataset d --output ae2 " + kQuick, "ulimit -f 8;");
  EXPECT_EQ(full.code, 74) << full.err;
  EXPECT_THAT(LastLine(full.err), HasSubstr("genvinci: error["));
  EXPECT_EQ(Sha256OfFile(folder_.path() / "ae/run.json"), before);
  for (const auto& entry : fs::recursive_directory_iterator(folder_.path() / "ae2"))
    EXPECT_NE(entry.path().filename(), "manifest.json");
}

}  // namespace commands_test
}  // namespace genvinci
