#include <torch/torch.h>

#include <algorithm>

#include "genvinci/checkpoint/checkpoint.h"
#include "genvinci/core/error.h"
#include "genvinci/core/log.h"
#include "genvinci/data/patch_store.h"
#include "genvinci/tensor/device.h"
#include "genvinci/tensor/random.h"
#include "genvinci/training/gene_start.h"
#include "genvinci/training/image_data.h"
#include "genvinci/training/image_grid.h"
#include "genvinci/training/latent_store.h"
#include "genvinci/training/pretrain_data.h"
#include "genvinci/training/profile_store.h"
#include "genvinci/training/tasks.h"
#include "genvinci/training/trainer.h"
#include "genvinci/training/val_study.h"
#include "genvinci/weights/load.h"

namespace genvinci {
namespace {

constexpr int64_t kGridRows = 8;
constexpr int64_t kValLimit = 512;
constexpr int64_t kEncodeBatch = 16;

using Lists = std::vector<std::vector<int32_t>>;

// The pipeline at step 0 and what it was made from.
struct Start {
  Pipeline pipeline{nullptr};
  Vocabulary vocabulary;
  Json sources = Json::object();
  Lists tokens = {};  // of every observation
};

// The first grid is drawn late; what cannot be drawn is refused early.
void RequireSampling(const FinetuneOptions& options, const PipelineImpl& pipeline) {
  MakeSampler(options.sampling, pipeline.schedule());
  if (options.sampling.guidance != 1 && options.condition_dropout == 0)
    throw ConfigError("GUIDANCE_UNTRAINED",
                      "sampling.guidance: {}, but condition_dropout is 0, so no null condition is "
                      "learned: use guidance 1, or a condition_dropout",
                      options.sampling.guidance);
}

// Left-out tokens are zeros, which the reference's conditioner does not read: it takes every position as it is.
void RequireGeneDropout(const FinetuneOptions& options) {
  if (options.gene_dropout > 0 && options.freeze_transformer && options.models.conditioner.kind == "genvinci")
    throw ConfigError("FINETUNE_GENE_DROPOUT",
                      "gene_dropout: {} has no effect on the genvinci conditioner behind a frozen transformer: set "
                      "gene_dropout 0 or freeze_transformer false",
                      options.gene_dropout);
}

// A run's, or Stable Diffusion's with its own scale of latents.
LoadedAutoencoder OpenStartAutoencoder(const std::string& dataset, const std::string& path) {
  if (!WeightSource::IsForeign(path)) return LoadAutoencoderRun(ResolveRun(dataset, "autoencoder", path), torch::kCPU);
  Autoencoder autoencoder = OpenAutoencoder(WeightSource::Open(path, "vae"));
  const int64_t latents = autoencoder->config().latent_channels;
  return {autoencoder, torch::zeros({latents}), torch::full({latents}, kStableDiffusionLatentScale), Json::object(),
          path};
}

Start MakeStart(const FinetuneOptions& options, const Dataset& dataset, int64_t img_size, const torch::Device& device) {
  const std::string name = FolderName(dataset.path());
  if (options.autoencoder_path.empty())
    throw ConfigError("FINETUNE_AUTOENCODER", "autoencoder_path: is needed: train one with genvinci autoencoder");
  const LoadedAutoencoder autoencoder = OpenStartAutoencoder(name, options.autoencoder_path);
  const GeneStart genes = GeneStart::Open(name, options.pretrain_mlm_path, options.vocabulary);
  Start start{Pipeline{nullptr}, genes.vocabulary};
  PipelineConfig config{options.models, options.diffusion, img_size, dataset.info().channels,
                        options.condition_dropout};
  config.models.autoencoder = autoencoder.autoencoder->config();
  config.models.transformer.vocabulary_size = start.vocabulary.size();
  if (options.dropout) config.models.transformer.dropout = *options.dropout;
  at::manual_seed(StreamKey(options.common.seed, "init"));
  start.pipeline = Pipeline(config);
  RequireSampling(options, *start.pipeline);
  RequireGeneDropout(options);
  const torch::NoGradGuard no_grad;
  const NamedTensors from = StateOf(*autoencoder.autoencoder, "");
  const NamedTensors to = StateOf(*start.pipeline->autoencoder, "");
  for (size_t i = 0; i < to.size(); ++i) torch::Tensor(to[i].second).copy_(from[i].second);
  start.pipeline->latent_mean.copy_(autoencoder.latent_mean_C);
  start.pipeline->latent_scale.copy_(autoencoder.latent_scale_C);
  start.sources["autoencoder"] = autoencoder.path.string();
  genes.Load(start.pipeline->transformer, start.sources);
  if (!options.unet_path.empty()) {
    LoadUNetWeights(WeightSource::Open(options.unet_path, "unet"), start.pipeline->unet);
    start.sources["unet"] = options.unet_path;
  }
  if (!options.align_path.empty()) start.sources["aligner"] = ResolveRun(name, "align", options.align_path).string();
  Freeze(*start.pipeline->autoencoder);
  if (options.freeze_transformer) Freeze(*start.pipeline->transformer);
  start.pipeline->to(device);
  start.tokens = TokensOf(dataset, start.vocabulary, config.models.transformer.max_tokens);
  return start;
}

Condition Rolled(const Condition& condition) {
  return {condition.context_BLD.roll(1, 0), condition.time_BT.roll(1, 0)};
}

class FinetuneTask : public TrainingTask {
 public:
  FinetuneTask(const FinetuneOptions& options, const Dataset& dataset, Start start, ImageData data, const fs::path& run)
      : options_(options),
        dataset_(dataset),
        run_(run),
        device_(start.pipeline->null_context.device()),
        pipeline_(start.pipeline),
        vocabulary_(std::move(start.vocabulary)),
        sources_(std::move(start.sources)),
        train_(std::move(data.train)),
        val_(std::move(data.val)),
        val_NCHW_(data.val_NCHW),
        latents_(pipeline_->autoencoder, data.train_NCHW, device_),
        train_profiles_(pipeline_->transformer, Select(start.tokens, train_), StoreOptions()),
        val_tokens_(Select(start.tokens, val_)),
        val_profiles_(pipeline_->transformer, val_tokens_, StoreOptions()) {
    if (!options.align_path.empty()) OpenStudy();
    val_latents_NCHW_ = EncodeVal();
    const torch::Tensor order = torch::randperm(static_cast<int64_t>(val_.size()),
                                                RandomStream(options.common.seed, "val order"), torch::kInt64);
    val_order_.assign(order.data_ptr<int64_t>(), order.data_ptr<int64_t>() + order.numel());
  }

  std::string kind() const override { return "ldm"; }
  int64_t size() const override { return static_cast<int64_t>(train_.size()); }
  std::string ItemName(int64_t item) const override { return dataset_.obs_name(train_[static_cast<size_t>(item)]); }
  torch::nn::Module& module() override { return *pipeline_; }
  NamedTensors Trained() override {
    NamedTensors trained;
    for (const auto& item : pipeline_->named_parameters()) {
      if (item.value().requires_grad()) trained.emplace_back(item.key(), item.value());
    }
    return trained;
  }
  NamedTensors State() override { return StateOf(*pipeline_, ""); }
  void Load(const SafetensorsFile& file, const fs::path& path) override { LoadState(*pipeline_, "", file, path); }
  Json Describe() const override {
    return {{"pipeline", ToJson(pipeline_->config())}, {"sampling", ToJson(options_.sampling)}, {"sources", sources_}};
  }
  const Vocabulary* vocabulary() const override { return &vocabulary_; }

  StepLoss Loss(const std::vector<int64_t>& items, torch::Generator generator) override {
    const torch::Tensor positions_B = Positions(items);
    const torch::Tensor symmetries_B = torch::randint(kDihedrals, positions_B.sizes(), generator, torch::kInt64);
    const torch::Tensor latents_BCHW = pipeline_->Normalise(latents_.Sample(positions_B, symmetries_B, generator));
    const torch::Tensor times_B = pipeline_->objective().DrawTimesteps(positions_B.size(0), generator).to(device_);
    const torch::Tensor noise_BCHW = torch::randn(latents_BCHW.sizes(), generator).to(device_);
    const Condition condition = TrainCondition(items, generator);
    return {pipeline_->Loss(latents_BCHW, condition, times_B, noise_BCHW).mean(), {}};
  }

  // The loss at times spread evenly and noise that is the same each time; and with the profiles of other observations,
  // which says how much the genes matter.
  std::optional<Evaluation> Evaluate(int64_t step) override {
    if (val_.empty()) return std::nullopt;
    double loss = 0, shuffled = 0;
    const auto count = static_cast<int64_t>(val_.size());
    for (int64_t start = 0; start < count; start += options_.training.batch_size) {
      const std::vector<int64_t> items(val_order_.begin() + start,
                                       val_order_.begin() + std::min(count, start + options_.training.batch_size));
      const torch::Tensor shares_B =
          (torch::arange(start, start + static_cast<int64_t>(items.size())) + 0.5) / static_cast<double>(count);
      const torch::Tensor times_B = pipeline_->objective().TimestepsAt(shares_B).to(device_);
      const torch::Tensor latents_BCHW = val_latents_NCHW_.index_select(0, Positions(items)).to(device_);
      const torch::Tensor noise_BCHW = ValNoise(items).to(device_);
      const Condition condition = Read(val_profiles_.Encode(items));
      loss += pipeline_->Loss(latents_BCHW, condition, times_B, noise_BCHW).sum().item<double>();
      shuffled += pipeline_->Loss(latents_BCHW, Rolled(condition), times_B, noise_BCHW).sum().item<double>();
    }
    WriteGrid(step);
    const auto n = static_cast<double>(count);
    Json metrics = {{"val_loss", loss / n}, {"val_loss_shuffled", shuffled / n}, {"val_gap", (shuffled - loss) / n}};
    if (study_)
      metrics.update(study_->Score(pipeline_, Read(val_profiles_.Encode(study_->items())), options_.sampling));
    return Evaluation{metrics, study_ ? ValStudy::kChoice : "val_loss", /*higher_is_better=*/false};
  }

  // The sampling of the best checkpoint, on val.
  void ChooseSampling() {
    if (!study_) return;
    const torch::NoGradGuard no_grad;
    Pipeline best = LoadPipeline(run_, device_).pipeline;
    const Condition condition = best->Encode(best->PadTokens(Select(val_tokens_, study_->items())));
    genvinci::ChooseSampling(*study_, best, condition,
                             {options_.sampling, options_.guidance_candidates, options_.steps_candidates}, run_);
  }

 private:
  void OpenStudy() {
    study_.emplace(dataset_, val_, val_NCHW_,
                   ValStudyOptions{ResolveRun(FolderName(dataset_.path()), "align", options_.align_path),
                                   options_.eval_images, options_.common.seed},
                   device_);
  }

  ProfileStoreOptions StoreOptions() const {
    return {.frozen = options_.freeze_transformer, .full_length = pipeline_->conditioner->needs_full_length()};
  }
  Condition Read(const EncodedProfiles& profiles) {
    return pipeline_->conditioner->forward(profiles.hidden_BLD, profiles.tokens_BL);
  }

  Condition TrainCondition(const std::vector<int64_t>& items, const torch::Generator& generator) {
    const Condition condition = Read(train_profiles_.EncodeDropped(items, options_.gene_dropout, generator));
    if (options_.condition_dropout == 0) return condition;
    const torch::Tensor drop_B =
        torch::rand({static_cast<int64_t>(items.size())}, generator) < options_.condition_dropout;
    return pipeline_->Drop(condition, drop_B.to(device_));
  }

  // Normalised posterior means.
  torch::Tensor EncodeVal() {
    const torch::NoGradGuard no_grad;
    if (val_.empty()) return {};
    std::vector<torch::Tensor> latents;
    for (const torch::Tensor& positions_B : torch::arange(val_NCHW_.size(0)).split(kEncodeBatch)) {
      const torch::Tensor images_BCHW = PatchBatch(val_NCHW_, positions_B).to(device_);
      latents.push_back(pipeline_->Normalise(pipeline_->autoencoder->Encode(images_BCHW).mean_BCHW).to(torch::kCPU));
    }
    return torch::cat(latents);
  }

  torch::Tensor ValNoise(const std::vector<int64_t>& items) const {
    std::vector<torch::Tensor> noises;
    for (const int64_t item : items)
      noises.push_back(torch::randn(pipeline_->LatentShape(), RandomStream(options_.common.seed, "val noise", {item})));
    return torch::stack(noises);
  }

  // A row a profile: real, reconstruction, samples.
  void WriteGrid(int64_t step) {
    const auto count = static_cast<int64_t>(val_.size());
    const std::vector<int64_t> items = EvenlySpread(count, std::min(kGridRows, count));
    const torch::Tensor positions_B = Positions(items);
    const torch::Tensor real_BCHW = PatchBatch(val_NCHW_, positions_B);
    const torch::Tensor made_BCHW = pipeline_->DecodeImages(val_latents_NCHW_.index_select(0, positions_B).to(device_));
    const Condition condition = Read(val_profiles_.Encode(items));
    std::vector<std::vector<torch::Tensor>> rows;
    for (size_t i = 0; i < items.size(); ++i)
      rows.push_back({real_BCHW[static_cast<int64_t>(i)], made_BCHW[static_cast<int64_t>(i)]});
    for (int64_t k = 0; k < options_.grid_samples; ++k) {
      std::vector<SampleKey> keys;
      for (const int64_t item : items) keys.push_back({options_.common.seed, val_[static_cast<size_t>(item)], k});
      const torch::Tensor samples_BCHW = pipeline_->DecodeImages(pipeline_->Sample(condition, keys, options_.sampling));
      for (size_t i = 0; i < items.size(); ++i) rows[i].push_back(samples_BCHW[static_cast<int64_t>(i)]);
    }
    WriteSampleGrid(run_, step, rows);
  }

  const FinetuneOptions& options_;
  const Dataset& dataset_;
  fs::path run_;
  torch::Device device_;
  Pipeline pipeline_;
  Vocabulary vocabulary_;
  Json sources_;
  std::vector<int64_t> train_, val_, val_order_;
  torch::Tensor val_NCHW_, val_latents_NCHW_;
  LatentStore latents_;
  ProfileStore train_profiles_;
  Lists val_tokens_;
  ProfileStore val_profiles_;
  std::optional<ValStudy> study_;
};

}  // namespace

Json Finetune(const FinetuneOptions& options) {
  const Dataset dataset = Dataset::Open(options.dataset);
  const torch::Device device = OpenDevice(options.common.device);
  ImageData data = LoadImageData(dataset, options.img_size, kValLimit);
  Start start = MakeStart(options, dataset, data.img_size, device);
  const Json facts = {{"dataset_fingerprint", dataset.fingerprint()},
                      {"vocabulary_fingerprint", start.vocabulary.fingerprint()},
                      {"sources", start.sources}};
  const RunIdentity identity{"finetune", "ldm", FolderName(dataset.path()), ToJson(options), facts};
  TrainingRun run = OpenTrainingRun(identity, options.common, options.training);
  FinetuneTask task(options, dataset, std::move(start), std::move(data), run.folder.path());
  const Json result = Trainer(task, run, identity, options.common, options.training).Run();
  if (result.at("finished").get<bool>()) task.ChooseSampling();
  return result;
}

}  // namespace genvinci
