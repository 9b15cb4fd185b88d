#include "genvinci/generation/generate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <set>

#include "core/temp_folder.h"
#include "genvinci/core/json.h"
#include "genvinci/data/tokens.h"
#include "genvinci/io/h5ad.h"
#include "genvinci/io/image.h"
#include "genvinci/tensor/convert.h"
#include "testing/profiles.h"
#include "testing/tiny_dataset.h"
#include "testing/tiny_run.h"
#include "testing/tokens_for.h"

namespace genvinci {
namespace generate_test {

class GenerateTest : public testing::Test {
 protected:
  void SetUp() override {
    MakeTinyDataset(folder_ / "tiny");
    MakeTinyRun(folder_ / "run");
    options_.common.device = "cpu";
    options_.dataset = (folder_ / "tiny").string();
    options_.checkpoint = (folder_ / "run").string();
    options_.num_samples = 2;
    options_.sampling.steps = 4;
  }

  fs::path Draw(const std::string& name) {
    GenerateOptions options = options_;
    options.common.output = (folder_ / name).string();
    return Generate(options).at("output").get<std::string>();
  }

  static int LargestDifference(const fs::path& a, const fs::path& b) {
    const Image one = ReadImage(a), other = ReadImage(b);
    int largest = 0;
    for (size_t i = 0; i < one.bytes.size(); ++i) {
      largest = std::max(largest, std::abs(int{one.bytes[i]} - int{other.bytes[i]}));
    }
    return largest;
  }

  TempFolder folder_;
  GenerateOptions options_;
};

std::map<std::string, std::string> TextOf(const fs::path& path) {
  std::map<std::string, std::string> text;
  for (const auto& [key, value] : ReadPngText(path)) text[key] = value;
  return text;
}

TEST_F(GenerateTest, WritesEveryFileOfTheTestPart) {
  const fs::path out = Draw("out");
  for (int i = 0; i < 4; ++i) {
    for (int k = 0; k <= 2; ++k) EXPECT_TRUE(fs::exists(out / fmt::format("{}_{}.png", i, k))) << i << " " << k;
  }
  EXPECT_FALSE(fs::exists(out / "4_0.png"));
  EXPECT_FALSE(fs::exists(out / "0_3.png"));
  EXPECT_EQ(ReadImage(out / "0_0.png").bytes, ReadImage(folder_ / "tiny/patches/spot_16.png").bytes);
  EXPECT_TRUE(fs::exists(out / "test_samples.png"));
  const Json description = ReadJson(out / "generation.json");
  EXPECT_EQ(description["n"], 4);
  EXPECT_EQ(description["split"], "test");
  EXPECT_EQ(description["observations"][3], "spot_19");
  EXPECT_TRUE(description["synthetic"].get<bool>());
}

TEST_F(GenerateTest, MarksSyntheticImagesAlone) {
  options_.common.seed = 77;
  const fs::path out = Draw("out");
  auto text = TextOf(out / "1_2.png");
  EXPECT_EQ(text["synthetic"], "true");
  EXPECT_THAT(text["Description"], testing::HasSubstr("synthetic"));
  EXPECT_EQ(text["observation"], "spot_17");
  EXPECT_EQ(text["sample"], "2");
  EXPECT_EQ(text["seed"], "77");
  EXPECT_EQ(text["steps"], "4");
  EXPECT_THAT(text["checkpoint"], testing::HasSubstr("step-10"));
  EXPECT_EQ(TextOf(out / "1_0.png").count("synthetic"), 0u);
  EXPECT_EQ(TextOf(out / "test_samples.png").count("synthetic"), 1u);
}

TEST_F(GenerateTest, TablesEverySample) {
  options_.common.seed = 5;
  const H5adFile samples(Draw("out") / "samples.h5ad");
  EXPECT_EQ(samples.n_obs(), 8);
  EXPECT_EQ(samples.n_vars(), 0);
  const DataFrame& obs = samples.obs();
  EXPECT_EQ(obs.index[3], "1_2");
  EXPECT_EQ(obs.Find("obs_name")->Text(3), "spot_17");
  EXPECT_EQ(obs.Find("sample")->integers[3], 2);
  EXPECT_EQ(obs.Find("rank")->integers[3], -1);
  EXPECT_TRUE(std::isnan(obs.Find("score")->floats[3]));
  EXPECT_EQ(obs.Find("seed")->integers[3], 5);
}

TEST_F(GenerateTest, DrawsTheSameAgainAndAtAnyBatchSize) {
  options_.batch_size = 8;
  const fs::path first = Draw("first"), again = Draw("again");
  options_.batch_size = 3;
  const fs::path other = Draw("other");
  options_.common.seed = 1;
  const fs::path seeded = Draw("seeded");
  for (const char* name : {"0_1.png", "3_2.png"}) {
    EXPECT_EQ(ReadImage(first / name).bytes, ReadImage(again / name).bytes);
    EXPECT_LE(LargestDifference(first / name, other / name), 1);
    EXPECT_GT(LargestDifference(first / name, seeded / name), 1);
  }
  EXPECT_GT(LargestDifference(first / "0_1.png", first / "0_2.png"), 1);
}

TEST_F(GenerateTest, AnObservationKeepsItsImageWhateverElseIsDrawn) {
  const fs::path all = Draw("all");
  options_.limit = 1;
  const fs::path one = Draw("one");
  EXPECT_TRUE(fs::exists(one / "0_2.png"));
  EXPECT_FALSE(fs::exists(one / "1_0.png"));
  EXPECT_LE(LargestDifference(all / "0_2.png", one / "0_2.png"), 1);
}

TEST_F(GenerateTest, TakesStartNoiseFromAFile) {
  Pipeline pipeline = MakeTinyPipeline();
  std::vector<SampleKey> keys;
  for (int64_t item = 0; item < 8; ++item)
    keys.push_back({.seed = 0, .observation = 16 + item / 2, .sample = item % 2});
  const torch::Tensor noise = pipeline->StartNoise(keys).view({4, 2, 4, 8, 8});
  WriteTensors(folder_ / "noise.safetensors", {{"noise", noise}});
  const fs::path own = Draw("own");
  options_.noise = (folder_ / "noise.safetensors").string();
  const fs::path given = Draw("given");
  for (const char* name : {"0_1.png", "3_2.png"}) EXPECT_EQ(LargestDifference(own / name, given / name), 0);
  WriteTensors(folder_ / "noise.safetensors", {{"noise", noise.slice(0, 0, 3)}});
  const Error error = CatchError("NOISE_SHAPE", [&] { Draw("bad"); });
  EXPECT_THAT(error.what(), testing::HasSubstr("(4, 2, 4, 8, 8)"));
  EXPECT_FALSE(fs::exists(folder_ / "bad"));
}

TEST_F(GenerateTest, SavesLatentsThatDecodeToTheImages) {
  options_.save_latents = true;
  const fs::path out = Draw("out");
  const torch::Tensor latents = ToTensor(SafetensorsFile(out / "latents.safetensors").View("latents"));
  ASSERT_EQ(latents.sizes().vec(), (std::vector<int64_t>{4, 2, 4, 8, 8}));
  Pipeline pipeline = MakeTinyPipeline();
  const Image decoded = TensorToImage(pipeline->DecodeImages(latents[2].slice(0, 1))[0]);
  WritePng(folder_ / "decoded.png", decoded);
  EXPECT_LE(LargestDifference(folder_ / "decoded.png", out / "2_2.png"), 1);
}

TEST_F(GenerateTest, PutsEachPartIntoAFolderOfItsOwn) {
  options_.val = options_.test = true;
  const fs::path out = Draw("out");
  EXPECT_TRUE(fs::exists(out / "val/0_1.png"));
  EXPECT_TRUE(fs::exists(out / "test/test_samples.png"));
}

TEST_F(GenerateTest, WritesBesideTheRunByDefaultAndNeverOverwrites) {
  options_.limit = 1;
  EXPECT_EQ(Generate(options_).at("output"), (folder_ / "run/generated/test").string());
  EXPECT_EQ(Generate(options_).at("output"), (folder_ / "run/generated/test_2").string());
  options_.common.output = (folder_ / "run/generated/test").string();
  CatchError("OUTPUT_EXISTS", [&] { Generate(options_); });
}

TEST_F(GenerateTest, DrawsWithoutRealImages) {
  MakeTinyDataset(folder_ / "blind", {.channels = 0});
  options_.dataset = (folder_ / "blind").string();
  const fs::path out = Draw("out");
  EXPECT_FALSE(fs::exists(out / "0_0.png"));
  EXPECT_TRUE(fs::exists(out / "0_1.png"));
  EXPECT_FALSE(ReadJson(out / "generation.json")["has_real"].get<bool>());
}

TEST_F(GenerateTest, RefusesWhatCannotBe) {
  MakeTinyDataset(folder_ / "grey", {.channels = 1});
  GenerateOptions grey = options_;
  grey.dataset = (folder_ / "grey").string();
  CatchError("GENERATE_CHANNELS", [&] { Generate(grey); });
  GenerateOptions both = options_;
  both.generate = both.extract = true;
  CatchError("FLAGS_CONFLICT", [&] { Generate(both); });
  GenerateOptions steps = options_;
  steps.sampling.steps = 1000;
  CatchError("SAMPLER_STEPS", [&] { Generate(steps); });
  MakeTinyDataset(folder_ / "untested", {.test = 0});
  GenerateOptions empty = options_;
  empty.dataset = (folder_ / "untested").string();
  CatchError("SPLIT_EMPTY", [&] { Generate(empty); });
  EXPECT_FALSE(fs::exists(folder_ / "run/generated/test"));
}

// Patches that show more or less tissue than those that the model was trained on.
TEST_F(GenerateTest, RefusesImagesOfAnotherScaleUnlessAsked) {
  const double here = Dataset::Open(options_.dataset).info().um_per_px;
  ASSERT_GT(here, 0);
  options_.checkpoint = MakeTinyRun(folder_ / "same", {.um_per_px = 1.01 * here}).string();
  EXPECT_NO_THROW(Generate(options_));
  options_.checkpoint = MakeTinyRun(folder_ / "finer", {.um_per_px = here / 2}).string();
  CatchError("GENERATE_SCALE", [&] { Generate(options_); });
  options_.any_scale = true;
  EXPECT_NO_THROW(Generate(options_));
}

TEST_F(GenerateTest, TheCheckpointKnowsItsSampling) {
  const SamplerOptions sampling = SamplingOf(options_);
  EXPECT_EQ(sampling.steps, kTinySampling.steps);
  EXPECT_EQ(sampling.guidance, kTinySampling.guidance);
}

TEST_F(GenerateTest, TheSamplingChosenOnValComesFirst) {
  WriteJson(folder_ / "run/sampling.json", {{"sampling", {{"guidance", 2.5}, {"steps", 9}}}});
  EXPECT_EQ(SamplingOf(options_).steps, 9);
  EXPECT_EQ(SamplingOf(options_).guidance, 2.5);
}

TEST_F(GenerateTest, RanksSamplesBySimilarity) {
  options_.num_samples = 3;
  options_.rank = true;
  options_.align_path = MakeTinyAlignRun(folder_ / "align", Dataset::Open(options_.dataset)).string();
  const fs::path out = Draw("out");
  const H5adFile samples(out / "samples.h5ad");
  const auto& ranks = samples.obs().Find("rank")->integers;
  const auto& scores = samples.obs().Find("score")->floats;
  LoadedAligner loaded = LoadAligner(options_.align_path, torch::kCPU);
  const torch::NoGradGuard no_grad;
  const auto tokens = TokenizeDataset(Dataset::Open(options_.dataset), loaded.vocabulary, 64).tokens;
  for (size_t i = 0; i < 4; ++i) {
    std::set<int64_t> seen(ranks.begin() + 3 * i, ranks.begin() + 3 * i + 3);
    EXPECT_EQ(seen, (std::set<int64_t>{1, 2, 3}));
    for (size_t k = 0; k < 3; ++k) {
      for (size_t l = 0; l < 3; ++l) {
        EXPECT_EQ(ranks[3 * i + k]<ranks[3 * i + l], scores[3 * i + k]> scores[3 * i + l]);
      }
      const torch::Tensor image = ImageToTensor(ReadImage(out / fmt::format("{}_{}.png", i, k + 1))).unsqueeze(0);
      const torch::Tensor tokens_BL = PadTokens(tokens.Select({16 + static_cast<int64_t>(i)}), 64, /*full=*/false);
      const double cosine = (loaded.aligner->EmbedFeatures(loaded.aligner->Features(image)) *
                             loaded.aligner->EmbedProfiles(loaded.aligner->transformer->forward(tokens_BL), tokens_BL))
                                .sum()
                                .item<double>();
      EXPECT_NEAR(scores[3 * i + k], cosine, 1e-4);
    }
  }
  options_.align_path.clear();
  CatchError("RUN_MISSING", [&] { Draw("other"); });
}

// Rows of three, as the .npy format's specification says.
void SpillNpy(const fs::path& path, const std::vector<double>& values) {
  const std::string header =
      fmt::format("{{'descr': '<f8', 'fortran_order': False, 'shape': ({}, 3), }}\n", values.size() / 3);
  std::string bytes = std::string("\x93NUMPY\x01\x00", 8) + static_cast<char>(header.size()) + '\0' + header;
  Spill(path, bytes.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(double)));
}

TEST_F(GenerateTest, DrawsFromVectorsInPlaceOfGenes) {
  options_.num_samples = 1;
  options_.checkpoint = MakeTinyRun(folder_ / "vectors", {.vector = "obsm:X_pca"}).string();
  const fs::path own = Draw("own");
  // The same numbers, but for those of the last observation.
  std::vector<double> values = Dataset::Open(options_.dataset).Obsm("X_pca").values;
  for (size_t k = values.size() - 3; k < values.size(); ++k) values[k] += 2;
  SpillNpy(folder_ / "vectors.npy", values);
  options_.vector = (folder_ / "vectors.npy").string();
  const fs::path other = Draw("other");
  EXPECT_EQ(LargestDifference(own / "0_1.png", other / "0_1.png"), 0);
  EXPECT_GT(LargestDifference(own / "3_1.png", other / "3_1.png"), 1);
  // Nothing of it comes from genes: there are no gene embeddings to extract either.
  options_.extract = true;
  const H5adFile embeddings(Draw("embeddings") / "embeddings.h5ad");
  EXPECT_THAT(embeddings.obsm_names(), testing::UnorderedElementsAre("text_embs", "time_embs"));
  options_.vector = "obsm:spatial";
  CatchError("CONDITION_SIZES", [&] { Draw("narrow"); });
  options_.vector = "obsm:X_umap";
  CatchError("H5_MISSING", [&] { Draw("missing"); });
}

TEST_F(GenerateTest, NeighboursAndASecondVectorHaveAGuidanceOfTheirOwn) {
  options_.num_samples = 1;
  options_.sampling.guidance = 1.5;
  options_.checkpoint = MakeTinyRun(folder_ / "told", {.second_vector = "obsm:X_pca", .neighbours = 3}).string();
  const fs::path own = Draw("own");
  options_.batch_size = 1;
  EXPECT_LE(LargestDifference(own / "2_1.png", Draw("singly") / "2_1.png"), 1);
  options_.sampling.second_guidance = 1.5;  // the same as not given
  EXPECT_LE(LargestDifference(own / "2_1.png", Draw("equal") / "2_1.png"), 1);
  options_.sampling.second_guidance = 0;
  const fs::path without = Draw("without");
  EXPECT_GT(LargestDifference(own / "2_1.png", without / "2_1.png"), 1);
  // At scale 0 the extra condition is not read at all, so another vector changes nothing.
  std::vector<double> moved = Dataset::Open(options_.dataset).Obsm("X_pca").values;
  for (double& value : moved) value += 3;
  SpillNpy(folder_ / "moved.npy", moved);
  options_.second_vector = (folder_ / "moved.npy").string();
  EXPECT_LE(LargestDifference(without / "2_1.png", Draw("moved") / "2_1.png"), 1);
  options_.sampling.second_guidance = 1.5;
  EXPECT_GT(LargestDifference(own / "2_1.png", Draw("read") / "2_1.png"), 1);
  options_.checkpoint = (folder_ / "run").string();
  options_.second_vector.clear();
  CatchError("GUIDANCE_SECOND", [&] { Draw("none"); });
}

TEST_F(GenerateTest, UnconditionalImagesDoNotDependOnTheGenes) {
  options_.unconditional = true;
  const fs::path one = Draw("one");
  EXPECT_TRUE(ReadJson(one / "generation.json")["unconditional"].get<bool>());
  // Under the null condition guidance changes nothing.
  options_.sampling.guidance = 7;
  EXPECT_LE(LargestDifference(one / "2_1.png", Draw("two") / "2_1.png"), 1);
  options_.unconditional = false;
  EXPECT_GT(LargestDifference(one / "2_1.png", Draw("three") / "2_1.png"), 1);
  MakeTinyRun(folder_ / "never", {.condition_dropout = 0});
  options_.checkpoint = (folder_ / "never").string();
  options_.sampling.guidance = 1;
  options_.unconditional = true;
  CatchError("GUIDANCE_UNTRAINED", [&] { Draw("four"); });
}

TEST_F(GenerateTest, ExtractsMeansOverTokensAndContext) {
  options_.extract = true;
  const fs::path out = Draw("out");
  const H5adFile file(out / "embeddings.h5ad");
  ASSERT_EQ(file.n_obs(), 4);
  EXPECT_EQ(file.obs().index[1], "spot_17");
  EXPECT_EQ(file.obs().Find("label")->Text(1), "blue");
  // Alone, without padding.
  const Dataset dataset = Dataset::Open(options_.dataset);
  Pipeline pipeline = MakeTinyPipeline();
  const auto tokens = TokenizeDataset(dataset, Vocabulary::GeneformerV1(), 64).tokens;
  const torch::NoGradGuard no_grad;
  const torch::Tensor tokens_BL = TokensFor(pipeline, ListsOf(tokens.Select({17})));
  const torch::Tensor genes = pipeline->transformer->forward(tokens_BL).mean(1)[0].to(torch::kFloat64);
  const torch::Tensor text = pipeline->Encode(tokens_BL).context_BLD.mean(1)[0].to(torch::kFloat64);
  const torch::Tensor time = pipeline->Encode(tokens_BL).time_BT[0].to(torch::kFloat64);
  for (const auto& [name, expected] : {std::pair{"gf_embs", genes}, {"text_embs", text}, {"time_embs", time}}) {
    const DenseArray found = file.Obsm(name);
    ASSERT_EQ(found.columns, expected.size(0));
    const torch::Tensor row = torch::tensor(found.values, torch::kFloat64).view({4, -1})[1];
    EXPECT_TRUE(torch::allclose(row, expected, 1e-4, 1e-5)) << name;
  }
}

}  // namespace generate_test
}  // namespace genvinci
