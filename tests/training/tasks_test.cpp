#include "genvinci/training/tasks/tasks.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>
#include <functional>

#include "core/temp_folder.h"
#include "genvinci/core/log.h"
#include "genvinci/data/patch_store.h"
#include "genvinci/data/tokens.h"
#include "genvinci/io/image.h"
#include "genvinci/training/feeds/latent_store.h"
#include "genvinci/training/feeds/profile_store.h"
#include "genvinci/training/feeds/semantic_target.h"
#include "genvinci/training/tasks/val_study.h"
#include "genvinci/weights/load_runs.h"
#include "testing/tokens_for.h"
#include "training/tiny_training.h"

namespace genvinci {
namespace tasks_test {

// A dataset, and runs of the tiny model sizes on it, made when they are first asked for.
class E2eTraining : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = std::make_unique<TempFolder>();
    MakeTinyDataset(*folder_ / "tiny");
    // Two threads wait for each other more than such small tensors take, above all on a busy machine.
    at::set_num_threads(1);
    SetQuiet(true);
  }
  static void TearDownTestSuite() {
    SetQuiet(false);
    folder_.reset();
  }
  void TearDown() override { SetLogFile({}); }

  static TrainingOptions Training() { return TinyTraining::Training(); }
  static TinyTraining Tiny() { return TinyTraining(folder_->path()); }
  static std::string Path(const std::string& name) { return Tiny().Path(name); }
  static PretrainOptions PretrainSetup(const std::string& output) { return Tiny().PretrainSetup(output); }
  static AutoencoderOptions AutoencoderSetup(const std::string& output) { return Tiny().AutoencoderSetup(output); }
  static AlignOptions AlignSetup(const std::string& output) { return Tiny().AlignSetup(output); }
  static FinetuneOptions FinetuneSetup(const std::string& output) { return Tiny().FinetuneSetup(output); }

  // Straight on, and one step a process: equal losses, and equal bits in every file.
  template <typename Options>
  static void ExpectExactResume(const std::function<Json(const Options&)>& train, const Options& options) {
    train(options);
    Options cut = options;
    cut.common.output += "_cut";
    cut.training.resume = "auto";
    cut.training.max_minutes = 1e-9;
    for (int64_t step = 1; step <= 12; ++step) ASSERT_EQ(train(cut)["step"], Json(step));
    EXPECT_EQ(Losses(options.common.output), Losses(cut.common.output));
    EXPECT_EQ(Losses(cut.common.output).size(), 12u);
    const Checkpoint a = Checkpoint::Open(options.common.output, "latest");
    const Checkpoint b = Checkpoint::Open(cut.common.output, "latest");
    for (const char* file : {"model.safetensors", "ema.safetensors", "optimizer.safetensors", "frozen.safetensors"}) {
      ASSERT_EQ(a.Has(file), b.Has(file)) << file;
      if (a.Has(file)) {
        EXPECT_TRUE(Slurp(a.path() / file) == Slurp(b.path() / file)) << file;
      }
    }
  }

  static std::unique_ptr<TempFolder> folder_;
};
std::unique_ptr<TempFolder> E2eTraining::folder_;

TEST_F(E2eTraining, PretrainLearnsAndReportsItsBaselines) {
  PretrainOptions options = PretrainSetup("learn");
  options.training.max_steps = 60;
  options.training.eval_steps = 60;
  const Json result = Pretrain(options);
  const Json metrics = result["metrics"];
  const double start = Losses(Path("learn")).at(1);
  const double frequency = metrics["frequency_loss"];
  EXPECT_LT(frequency, std::log(25426.0) - 1);  // knowing nothing would cost more
  EXPECT_NEAR(start, frequency, 0.5);           // an untrained network knows how common each gene is
  EXPECT_LT(metrics["val_loss"].get<double>(), frequency);
  for (const char* name : {"frequency_loss", "rank_frequency_loss", "val_accuracy", "frequency_accuracy"})
    EXPECT_TRUE(metrics[name].is_number()) << name;
  const Json state = Checkpoint::Open(Path("learn")).Json("state");
  EXPECT_EQ(state["vocabulary"]["fingerprint"], Json(Vocabulary::GeneformerV1().fingerprint()));
  EXPECT_EQ(state["kind"], Json("mlm"));
}

TEST_F(E2eTraining, PretrainReadsTheTestPartOnceAtItsEnd) {
  PretrainOptions options = PretrainSetup("scored");
  const Json result = Pretrain(options);
  const Json test = ReadJson(Path("scored/test.json"));
  EXPECT_EQ(test, result["test"]);
  const Dataset dataset = Dataset::Open(Path("tiny"));
  const auto lists = TokenizeDataset(dataset, Vocabulary::GeneformerV1(), options.transformer.max_tokens).tokens;
  int64_t tokens = 0;
  for (const int64_t i : dataset.Indices(Split::kTest)) tokens += static_cast<int64_t>(lists[i].size());
  // Each token is masked with this chance: five standard deviations on either side.
  const double expected = options.mask_probability * static_cast<double>(tokens);
  EXPECT_NEAR(test["test_tokens"].get<double>(), expected, 5 * std::sqrt(expected));
  EXPECT_GT(test["test_loss"].get<double>(), 0);
  for (const Json& row : Rows(Path("scored"), "val_loss")) EXPECT_FALSE(row.contains("test_loss"));
}

TEST_F(E2eTraining, PretrainReadsGeneformersFolders) {
  const fs::path data = GENVINCI_SOURCE_DIR "/tests/io/data";
  PretrainOptions options = PretrainSetup("tokens");
  options.dataset = (data / "tokens.dataset").string();
  options.lengths_file = (data / "lengths.pkl").string();
  EXPECT_EQ(Pretrain(options)["step"], Json(12));
  EXPECT_EQ(ReadJson(Path("tokens/run.json"))["facts"]["train_items"], Json(23));
  EXPECT_FALSE(fs::exists(Path("tokens/test.json")));

  // Both parts, under the names that Geneformer's folders have.
  fs::create_directories(Path("both"));
  for (const char* part : {"train.dataset", "val.dataset"})
    fs::copy(data / "tokens.dataset", fs::path(Path("both")) / part, fs::copy_options::recursive);
  options.dataset = Path("both");
  options.common.output = Path("tokens_both");
  const Json metrics = Pretrain(options)["metrics"];
  EXPECT_TRUE(metrics["val_loss"].is_number());

  options.common.output = Path("tokens_refused");
  options.lengths_file = Path("lengths.pkl");
  Spill(options.lengths_file, "]I3\na.");
  EXPECT_NE(std::string(CatchError("LENGTHS", [&] { Pretrain(options); }).what()).find("1 lengths for 23"),
            std::string::npos);
  EXPECT_FALSE(fs::exists(Path("tokens_refused")));
}

TEST_F(E2eTraining, PretrainResumesExactly) {
  ExpectExactResume<PretrainOptions>(Pretrain, PretrainSetup("resume_mlm"));
}

TEST_F(E2eTraining, AutoencoderLearnsAndMeasuresItsLatents) {
  AutoencoderOptions options = AutoencoderSetup("ae_learn");
  options.training.max_steps = 80;
  options.training.eval_steps = 40;
  options.training.save_steps = 40;
  TrainAutoencoder(options);
  const auto rows = Rows(Path("ae_learn"), "val_psnr");
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_GT(rows[1]["val_psnr"].get<double>(), rows[0]["val_psnr"].get<double>());
  EXPECT_GT(rows[1]["val_psnr"].get<double>(), 12);
  for (const char* part : {"l1", "l2", "kl", "edge"}) EXPECT_EQ(Rows(Path("ae_learn"), part).size(), 80u);
  EXPECT_EQ(ReadImageInfo(Path("ae_learn/samples/step-80.png")).height, 2 * 16 + 2);
  // Against the definition: with these, draws of the training part have mean 0 and variance 1.
  const LoadedAutoencoder loaded = LoadAutoencoderRun(Path("ae_learn"), torch::kCPU);
  const Dataset dataset = Dataset::Open(Path("tiny"));
  const torch::NoGradGuard no_grad;
  const PatchStore patches = PatchStore::Open(dataset, dataset.Indices(Split::kTrain), 0);
  Autoencoder autoencoder = loaded.autoencoder;
  const DiagonalGaussian posterior = autoencoder->Encode(patches.Batch(torch::arange(12)));
  const auto normal = [&](const torch::Tensor& latents) {
    return (latents - loaded.latent_mean_C.view({1, -1, 1, 1})) * loaded.latent_scale_C.view({1, -1, 1, 1});
  };
  EXPECT_TRUE(normal(posterior.mean_BCHW).mean({0, 2, 3}).allclose(torch::zeros({4}), 1e-4, 1e-4));
  // Of draws, which training sees; the noise of a mean over so many is below a fiftieth.
  const int64_t draws = 64;
  std::vector<torch::Tensor> samples;
  for (int64_t i = 0; i < draws; ++i)
    samples.push_back(normal(posterior.Sample(torch::randn(posterior.mean_BCHW.sizes()))));
  EXPECT_TRUE(torch::cat(samples).transpose(0, 1).flatten(1).std(1).allclose(torch::ones({4}), 0.02, 0));
}

TEST_F(E2eTraining, AutoencoderResumesExactly) {
  ExpectExactResume<AutoencoderOptions>(TrainAutoencoder, AutoencoderSetup("resume_ae"));
}

TEST_F(E2eTraining, FinetuneMakesACheckpointThatGenerates) {
  const FinetuneOptions options = FinetuneSetup("ldm");
  const Json result = Finetune(options);
  for (const char* name : {"val_loss", "val_loss_shuffled", "val_gap"})
    EXPECT_TRUE(result["metrics"][name].is_number());
  const ImageInfo grid = ReadImageInfo(Path("ldm/samples/step-12.png"));
  EXPECT_EQ(grid.width, 4 * 16 + 3 * 2);  // real, reconstruction, two samples
  EXPECT_EQ(grid.height, 4 * 16 + 3 * 2);
  LoadedPipeline loaded = LoadPipeline(Path("ldm"), torch::kCPU);
  const torch::NoGradGuard no_grad;
  const Condition condition = loaded.pipeline->Encode(TokensFor(loaded.pipeline, {{5, 9, 77}}));
  const torch::Tensor image = loaded.pipeline->DecodeImages(loaded.pipeline->Sample(condition, {{0, 0, 0}}, {}));
  EXPECT_EQ(image.sizes(), (std::vector<int64_t>{1, 3, 16, 16}));
  // Frozen: the autoencoder and its statistics are those of its run.
  const LoadedAutoencoder autoencoder = LoadAutoencoderRun(Path("ae"), torch::kCPU);
  const NamedTensors a = StateOf(*autoencoder.autoencoder, ""), b = StateOf(*loaded.pipeline->autoencoder, "");
  for (size_t i = 0; i < a.size(); ++i) EXPECT_TRUE(a[i].second.equal(b[i].second)) << a[i].first;
  EXPECT_TRUE(loaded.pipeline->latent_scale.equal(autoencoder.latent_scale_C));
}

TEST_F(E2eTraining, FinetuneResumesExactly) {
  ExpectExactResume<FinetuneOptions>(Finetune, FinetuneSetup("resume_ldm"));
}

TEST_F(E2eTraining, FinetuneByVectorsReadsNoGenes) {
  FinetuneOptions options = FinetuneSetup("by_vectors");
  options.vector = "obsm:X_pca";
  CatchError("FINETUNE_VECTOR", [&] { Finetune(options); });
  options.pretrain_mlm_path.clear();
  options.gene_dropout = 0;
  EXPECT_TRUE(Finetune(options)["metrics"]["val_gap"].is_number());
  const LoadedPipeline loaded = LoadPipeline(Path("by_vectors"), torch::kCPU);
  EXPECT_EQ(loaded.pipeline->config().models.conditioner.kind, "vector");
  EXPECT_EQ(loaded.pipeline->config().models.conditioner.vector_dim, 3);
  EXPECT_TRUE(loaded.pipeline->transformer.is_empty());
  EXPECT_EQ(loaded.sources.conditions.vector, "obsm:X_pca");
}

TEST_F(E2eTraining, FinetuneWithASecondConditionResumesExactly) {
  FinetuneOptions options = FinetuneSetup("resume_second");
  options.second_vector = "obsm:X_pca";
  options.neighbours = 2;
  options.second_dropout = 0.3;
  ExpectExactResume<FinetuneOptions>(Finetune, options);
  // Both of its parts were learned.
  const Checkpoint checkpoint = Checkpoint::Open(Path("resume_second"));
  const auto moments = checkpoint.Tensors("optimizer");
  for (const char* name : {"second.in.weight", "second.time.weight", "second.vector.in.weight", "null_second"})
    EXPECT_GT(ToTensor(moments->View(std::string("exp_avg.") + name)).abs().max().item<double>(), 0) << name;
}

TEST_F(E2eTraining, FinetuneDrawsTheSemanticPathToTheImages) {
  FinetuneOptions options = FinetuneSetup("semantic");
  options.semantic_path = GENVINCI_SOURCE_DIR "/tests/weights/data/vit_timm";
  CatchError("SEMANTIC_CONDITIONER", [&] { Finetune(options); });
  options.models.conditioner.kind = "genvinci";
  options.training.max_steps = 40;
  Finetune(options);
  const auto rows = Rows(Path("semantic"), "semantic");
  ASSERT_EQ(rows.size(), 40u);
  const auto mean = [&](size_t first) {
    double sum = 0;
    for (size_t i = first; i < first + 10; ++i) sum += rows[i]["semantic"].get<double>() / 10;
    return sum;
  };
  EXPECT_LT(mean(30), mean(0));
  for (const Json& row : rows)
    EXPECT_NEAR(row["loss"].get<double>(), row["diffusion"].get<double>() + row["semantic"].get<double>(), 1e-4);
  EXPECT_EQ(LoadPipeline(Path("semantic"), torch::kCPU).pipeline->config().models.conditioner.semantic_dim, 6);
}

TEST_F(E2eTraining, ImageEmbeddingsAreKept) {
  const Dataset dataset = Dataset::Open(MakeTinyDataset(*folder_ / "embedded").string());
  const std::string weights = GENVINCI_SOURCE_DIR "/tests/weights/data/vit_timm";
  const torch::Tensor first = ImageEmbeddings(dataset, {0, 1, 2}, weights, torch::kCPU);
  EXPECT_TRUE(first.norm(2, {1}).allclose(torch::ones({3})));
  const fs::path cache = dataset.path() / "cache/image-embeddings.safetensors";
  const auto written = fs::last_write_time(cache);
  EXPECT_TRUE(ImageEmbeddings(dataset, {0, 1, 2}, weights, torch::kCPU).equal(first));
  EXPECT_EQ(fs::last_write_time(cache), written);
  // Other observations have others.
  EXPECT_TRUE(ImageEmbeddings(dataset, {2, 1}, weights, torch::kCPU).allclose(first.index({torch::tensor({2, 1})})));
  // Weights that are written over are others.
  const fs::path copy = *folder_ / "vit";
  fs::copy(weights, copy, fs::copy_options::recursive);
  ImageEmbeddings(dataset, {0, 1, 2}, copy.string(), torch::kCPU);
  const auto of_copy = fs::last_write_time(cache);
  for (const auto& entry : fs::directory_iterator(copy))
    fs::last_write_time(entry.path(), fs::last_write_time(entry.path()) + std::chrono::seconds(5));
  ImageEmbeddings(dataset, {0, 1, 2}, copy.string(), torch::kCPU);
  EXPECT_NE(fs::last_write_time(cache), of_copy);
  // A damaged file is made anew.
  Spill(cache, "nothing");
  EXPECT_TRUE(ImageEmbeddings(dataset, {0, 1, 2}, weights, torch::kCPU).equal(first));
}

TEST_F(E2eTraining, AlignLearnsWhichImagesBelongToWhichProfiles) {
  MakeTinyDataset(*folder_ / "pairs", {.train = 40, .val = 20, .test = 2});
  AlignOptions options = AlignSetup("align_learns");
  options.dataset = Path("pairs");
  options.training.max_steps = 80;
  options.training.batch_size = 20;
  options.training.eval_steps = 80;
  const Json metrics = TrainAligner(options)["metrics"];
  // Two kinds of ten spots each: within its kind a spot is one of ten.
  EXPECT_GT(metrics["val_image_to_gene_top10"].get<double>(), 0.85);
  EXPECT_GT(metrics["val_gene_to_image_top10"].get<double>(), 0.85);
}

TEST_F(E2eTraining, AlignResumesExactly) {
  AlignOptions options = AlignSetup("resume_align");
  options.gene_dropout = 0.2;
  options.view_weight = 0.5;
  ExpectExactResume<AlignOptions>(TrainAligner, options);
}

TEST_F(E2eTraining, FinetuneChoosesOnVal) {
  FinetuneOptions options = FinetuneSetup("chosen");
  if (!fs::exists(Path("align"))) TrainAligner(AlignSetup("align"));
  options.align_path = Path("align");
  options.eval_images = 8;
  options.guidance_candidates = {1, 3};
  options.steps_candidates = {2};
  const Json result = Finetune(options);
  for (const char* name : {"val_frechet_domain", "val_frechet_joint_domain", "val_feature_distance", "val_feature_gap"})
    EXPECT_TRUE(result["metrics"][name].is_number()) << name;
  const Json chosen = ReadJson(Path("chosen/sampling.json"));
  ASSERT_EQ(chosen["tried"].size(), 4u);  // the given guidance, two more, and other steps under the best
  const auto tried = [&](size_t i) {
    const Json& row = chosen["tried"][i];
    return TriedSampling{
        {.steps = row["steps"], .guidance = row["guidance"]}, row["val_frechet_joint_domain"], row["val_feature_gap"]};
  };
  const std::vector<TriedSampling> guidances = {tried(0), tried(1), tried(2)};
  const TriedSampling best = BestGuidance(guidances);
  EXPECT_EQ(tried(3).sampling.guidance, best.sampling.guidance);
  EXPECT_EQ(chosen["sampling"]["guidance"], best.sampling.guidance);
  EXPECT_EQ(chosen["sampling"]["steps"], FewestSteps({best, tried(3)}).sampling.steps);
  const auto rows = Rows(Path("chosen"), "val_frechet_joint_domain");
  const auto by_value = [](const Json& a, const Json& b) {
    return a["val_frechet_joint_domain"].get<double>() < b["val_frechet_joint_domain"].get<double>();
  };
  EXPECT_EQ(result["best_step"], (*std::min_element(rows.begin(), rows.end(), by_value))["step"]);
}

TEST_F(E2eTraining, PatienceEndsARun) {
  PretrainOptions options = PretrainSetup("patient");
  options.training.lr = 1e-12;  // nothing gets better
  options.training.ema_decay = 0;
  options.training.max_steps = 40;
  options.training.eval_steps = 2;
  options.training.patience = 3;
  const Json result = Pretrain(options);
  EXPECT_TRUE(result["finished"].get<bool>());
  EXPECT_LT(result["step"].get<int64_t>(), 40);
  EXPECT_EQ(result["step"].get<int64_t>(), result["best_step"].get<int64_t>() + 6);
}

TEST_F(E2eTraining, FinetuneRefusesWhatDoesNotFit) {
  FinetuneOptions options = FinetuneSetup("refused");
  options.models.transformer.layers = 2;
  CatchError("CKPT_CONFIG", [&] { Finetune(options); });
  options = FinetuneSetup("refused");
  options.condition_dropout = 0;
  CatchError("GUIDANCE_UNTRAINED", [&] { Finetune(options); });
  options = FinetuneSetup("refused");
  options.pretrain_mlm_path = Path("ae");
  CatchError("CKPT_KIND", [&] { Finetune(options); });
  options = FinetuneSetup("refused");
  options.autoencoder_path = Path("mlm");
  CatchError("CKPT_KIND", [&] { Finetune(options); });
  options.autoencoder_path = "";
  CatchError("FINETUNE_AUTOENCODER", [&] { Finetune(options); });
  options = FinetuneSetup("refused");
  options.img_size = 15;
  CatchError("PIPELINE_IMG_SIZE", [&] { Finetune(options); });
  EXPECT_FALSE(fs::exists(Path("refused")));
}

TEST_F(E2eTraining, LatentsAreThoseOfTheTurnedPatches) {
  at::manual_seed(1);
  Autoencoder autoencoder(ModelPreset("tiny").autoencoder);
  const Dataset dataset = Dataset::Open(Path("tiny"));
  const PatchStore patches = PatchStore::Open(dataset, {0, 1, 2}, 0);
  RankGroup alone;
  LatentStore store(autoencoder, patches, alone, {}, 0);
  ASSERT_TRUE(store.is_cached());
  const torch::Tensor positions = torch::tensor({2, 0}), symmetries = torch::tensor({5, 3});
  ItemDraws draws({9, 0}, {2, 0}), same({9, 0}, {2, 0});
  const torch::Tensor latents = store.Sample(positions, symmetries, draws);
  const torch::NoGradGuard no_grad;
  const torch::Tensor images =
      torch::cat({Dihedral(patches.Batch(torch::tensor({2})), 5), Dihedral(patches.Batch(torch::tensor({0})), 3)});
  const DiagonalGaussian posterior = autoencoder->Encode(images);
  const torch::Tensor noise = same.Normal(latents.sizes().slice(1));
  EXPECT_TRUE(latents.allclose(posterior.Sample(noise), 1e-4, 1e-5));
}

// 3 patches under 8 symmetries are 24 latents.
TEST_F(E2eTraining, LatentsBeyondMemoryAreWrittenWhereTrainingNeedsThem) {
  at::manual_seed(1);
  Autoencoder autoencoder(ModelPreset("tiny").autoencoder);
  const PatchStore patches = PatchStore::Open(Dataset::Open(Path("tiny")), {0, 1, 2}, 0);
  RankGroup alone;
  const auto sample = [](LatentStore& store) {
    ItemDraws draws({9, 0}, {2, 0});
    return store.Sample(torch::tensor({2, 0}), torch::tensor({5, 3}), draws);
  };
  LatentStore held(autoencoder, patches, alone, {}, 0);
  LatentStore written(autoencoder, patches, alone, Path("latents"), 24, /*memory=*/0);
  EXPECT_TRUE(written.is_cached());
  EXPECT_TRUE(fs::exists(Path("latents")));
  EXPECT_TRUE(sample(written).equal(sample(held)));
  LatentStore reopened(autoencoder, patches, alone, Path("latents"), 0, /*memory=*/0);
  EXPECT_TRUE(reopened.is_cached());
  EXPECT_TRUE(sample(reopened).equal(sample(held)));
  fs::remove(Path("latents"));
  LatentStore each_step(autoencoder, patches, alone, Path("latents"), 23, /*memory=*/0);
  EXPECT_FALSE(each_step.is_cached());
  EXPECT_FALSE(fs::exists(Path("latents")));
  EXPECT_TRUE(sample(each_step).allclose(sample(held), 1e-4, 1e-5));
}

ProfileTokens Profiles() { return ProfileTokens::Of({{5, 9, 77, 12}, {31, 8}, {44, 6, 3}}); }

TEST_F(E2eTraining, AFrozenTransformerRunsOnce) {
  GeneTransformer transformer = MakeTinyPipeline()->transformer;
  transformer->eval();
  const torch::NoGradGuard no_grad;
  ProfileStore frozen({transformer, Profiles()}, /*is_frozen=*/true), trained({transformer, Profiles()}, false);
  EXPECT_TRUE(frozen.is_cached());
  EXPECT_FALSE(trained.is_cached());
  const torch::Tensor tokens_BL = torch::tensor({{44, 6, 3}, {31, 8, 0}});
  const torch::Tensor expected_BLD = transformer->forward(tokens_BL);
  const auto same = [&](const EncodedProfiles& found) {
    EXPECT_TRUE(found.tokens_BL.equal(tokens_BL));
    const torch::Tensor genes_BL1 = (tokens_BL != 0).unsqueeze(2);
    return (found.hidden_BLD * genes_BL1).allclose(expected_BLD * genes_BL1, 1e-4, 1e-5);
  };
  EXPECT_TRUE(same(frozen.Encode({2, 1})));
  EXPECT_TRUE(same(trained.Encode({2, 1})));
  // Whatever the transformer becomes, the frozen store holds what it was.
  for (auto& parameter : transformer->parameters()) parameter.mul_(1.5);
  EXPECT_TRUE(same(frozen.Encode({2, 1})));
  EXPECT_FALSE(same(trained.Encode({2, 1})));
}

TEST_F(E2eTraining, DroppedTokensAreNotRead) {
  GeneTransformer transformer = MakeTinyPipeline()->transformer;
  transformer->eval();
  const torch::NoGradGuard no_grad;
  const auto drop = [](ProfileStore& store, double share, int64_t seed) {
    ItemDraws draws({seed, 0}, {0, 1, 2});
    return store.EncodeDropped({0, 1, 2}, share, draws);
  };
  for (const bool frozen : {true, false}) {
    ProfileStore store({transformer, Profiles()}, frozen);
    const EncodedProfiles whole = store.Encode({0, 1, 2});
    EXPECT_TRUE(drop(store, 0, 1).tokens_BL.equal(whole.tokens_BL));
    // Of every profile but one token is gone: the first.
    const EncodedProfiles least = drop(store, 0.999999, 1);
    EXPECT_TRUE(least.tokens_BL.slice(1, 0, 1).equal(torch::tensor({{5}, {31}, {44}})));
    EXPECT_EQ(least.tokens_BL.slice(1, 1).abs().sum().item<int64_t>(), 0);
    // A frozen transformer has read all tokens; any other only those that are left.
    const torch::Tensor alone = transformer->forward(least.tokens_BL);
    EXPECT_EQ(least.hidden_BLD.select(1, 0).allclose(alone.select(1, 0), 1e-4, 1e-5), !frozen);
    const EncodedProfiles half = drop(store, 0.5, 2);
    EXPECT_FALSE(half.tokens_BL.equal(drop(store, 0.5, 3).tokens_BL));
  }
}

TEST_F(E2eTraining, AFrozenTransformerStaysAsPretrained) {
  FinetuneOptions options = FinetuneSetup("ldm_frozen");
  options.freeze_transformer = true;
  ExpectExactResume<FinetuneOptions>(Finetune, options);
  const LoadedPipeline loaded = LoadPipeline(Path("ldm_frozen"), torch::kCPU);
  PipelineConfig config = loaded.pipeline->config();
  Pipeline pretrained(config);
  LoadTransformer(Path("mlm"), pretrained->transformer);
  const NamedTensors a = StateOf(*pretrained->transformer, ""), b = StateOf(*loaded.pipeline->transformer, "");
  for (size_t i = 0; i < a.size(); ++i) EXPECT_TRUE(a[i].second.equal(b[i].second)) << a[i].first;
  options.common.output = Path("refused");
  options.models.conditioner.kind = "genvinci";
  CatchError("FINETUNE_GENE_DROPOUT", [&] { Finetune(options); });
}

}  // namespace tasks_test
}  // namespace genvinci
