#include <torch/torch.h>

#include <array>

#include "genvinci/core/error.h"
#include "genvinci/data/patch_store.h"
#include "genvinci/metrics/retrieval.h"
#include "genvinci/models/aligner.h"
#include "genvinci/tensor/device.h"
#include "genvinci/tensor/random.h"
#include "genvinci/training/engine/dry_run.h"
#include "genvinci/training/engine/run_task.h"
#include "genvinci/training/feeds/gene_tokens.h"
#include "genvinci/training/feeds/image_data.h"
#include "genvinci/training/feeds/profile_store.h"
#include "genvinci/training/tasks/tasks.h"
#include "genvinci/weights/open_pipeline.h"

namespace genvinci {
namespace {

constexpr int64_t kAlignEvalBatch = 64;
// A loss over more pairs at once would grow with their square.
constexpr int64_t kAlignValLimit = 2048;
constexpr std::array<int64_t, 3> kTops = {1, 5, 10};

// The aligner at step 0 and what it was made from.
struct Start {
  Aligner aligner{nullptr};
  Vocabulary vocabulary;
  Sources sources = {};
  ProfileTokens tokens = {};  // of every observation
};

Start MakeStart(const AlignOptions& options, const Dataset& dataset, int64_t img_size, const torch::Device& device) {
  const PretrainedGenes genes =
      PretrainedGenes::Open(FolderName(dataset.path()), options.pretrain_mlm_path, options.vocabulary);
  AlignerConfig config = options.aligner;
  config.transformer.vocabulary_size = genes.vocabulary.size();
  config.patch_encoder.channels = static_cast<int64_t>(dataset.info().channels.size());
  if (img_size >> config.patch_encoder.stages == 0)
    throw ConfigError("ALIGN_IMG_SIZE",
                      "img_size: {} px; {} stages of the patch encoder need {} at least: use fewer stages", img_size,
                      config.patch_encoder.stages, int64_t{1} << config.patch_encoder.stages);
  at::manual_seed(StreamKey(options.common.seed, "init"));
  Start start{Aligner(config), genes.vocabulary};
  genes.Load(start.aligner->transformer, start.sources);
  if (options.freeze_transformer) Freeze(*start.aligner->transformer);
  start.aligner->to(device);
  start.tokens = TokensOf(dataset, start.vocabulary, config.transformer.max_tokens);
  return start;
}

class AlignTask : public TrainingTask {
 public:
  AlignTask(const AlignOptions& options, const Dataset& dataset, Start start, ImageData data)
      : options_(options),
        dataset_(dataset),
        device_(start.aligner->logit_scale.device()),
        aligner_(start.aligner),
        vocabulary_(std::move(start.vocabulary)),
        sources_(std::move(start.sources)),
        data_(std::move(data)),
        train_profiles_({aligner_->transformer, start.tokens.Select(data_.train)}, options.freeze_transformer),
        val_profiles_({aligner_->transformer, start.tokens.Select(data_.val)}, options.freeze_transformer) {}

  std::string kind() const override { return "align"; }
  int64_t size() const override { return static_cast<int64_t>(data_.train.size()); }
  std::string ItemName(int64_t item) const override {
    return dataset_.obs_name(data_.train[static_cast<size_t>(item)]);
  }
  torch::nn::Module& module() override { return *aligner_; }
  NamedTensors Trained() override {
    NamedTensors trained;
    for (const auto& item : aligner_->named_parameters()) {
      if (item.value().requires_grad()) trained.emplace_back(item.key(), item.value());
    }
    return trained;
  }
  NamedTensors State() override { return StateOf(*aligner_, ""); }
  void Load(const TensorFile& file, const fs::path& path) override { LoadState(*aligner_, "", file, path); }
  Json Describe() const override {
    return {{"aligner", ToJson(aligner_->config())},
            {"img_size", data_.img_size},
            {"channels", dataset_.info().channels},
            {"sources", ToJson(sources_)}};
  }
  const Vocabulary* vocabulary() const override { return &vocabulary_; }

  StepLoss Loss(const std::vector<int64_t>& items, const DrawKey& key) override {
    ItemDraws draws(key, items);
    const torch::Tensor positions_B = Positions(items);
    const torch::Tensor features_BF = aligner_->Features(ToDevice(Augmented(positions_B, draws), device_));
    const EncodedProfiles profiles = train_profiles_.EncodeDropped(items, options_.gene_dropout, draws);
    const torch::Tensor pair = aligner_->Loss(aligner_->EmbedFeatures(features_BF),
                                              aligner_->EmbedProfiles(profiles.hidden_BLD, profiles.tokens_BL));
    if (options_.view_weight == 0) return {pair, {}};
    const torch::Tensor other_BF = aligner_->Features(ToDevice(Augmented(positions_B, draws), device_));
    const torch::Tensor view = aligner_->ViewLoss(features_BF, other_BF);
    return {pair + options_.view_weight * view, {{"pair", pair.detach()}, {"view", view.detach()}}};
  }

  std::optional<Evaluation> Evaluate(int64_t) override {
    if (data_.val.empty()) return std::nullopt;
    std::vector<torch::Tensor> images, profiles;
    const auto count = static_cast<int64_t>(data_.val.size());
    for (const torch::Tensor& positions_B : torch::arange(count).split(kAlignEvalBatch)) {
      const torch::Tensor images_BCHW = data_.val_patches.Batch(positions_B).to(device_);
      images.push_back(aligner_->EmbedFeatures(aligner_->Features(images_BCHW)));
      const EncodedProfiles batch = val_profiles_.Encode(
          std::vector<int64_t>(positions_B.data_ptr<int64_t>(), positions_B.data_ptr<int64_t>() + positions_B.numel()));
      profiles.push_back(aligner_->EmbedProfiles(batch.hidden_BLD, batch.tokens_BL));
    }
    const torch::Tensor images_NE = torch::cat(images), profiles_NE = torch::cat(profiles);
    const torch::Tensor logits_NN = aligner_->Logits(images_NE, profiles_NE).cpu();
    Json metrics = {{"val_loss", aligner_->Loss(images_NE, profiles_NE).item<double>()}, {"val_n", count}};
    for (const int64_t k : kTops) {
      metrics[fmt::format("val_image_to_gene_top{}", k)] = RetrievalAt(logits_NN, k);
      metrics[fmt::format("val_gene_to_image_top{}", k)] = RetrievalAt(logits_NN.t(), k);
    }
    return Evaluation{metrics, "val_loss", /*higher_is_better=*/false};
  }

 private:
  // Any symmetry of the square; gain and offset of each channel, as stains and lamps vary.
  torch::Tensor Augmented(const torch::Tensor& positions_B, ItemDraws& draws) const {
    const torch::Tensor symmetries_B = draws.Integers(kDihedrals);
    torch::Tensor images_BCHW = DihedralEach(data_.train_patches.Batch(positions_B), symmetries_B);
    if (options_.colour_jitter == 0) return images_BCHW;
    const std::vector<int64_t> shape = {images_BCHW.size(1), 1, 1};
    const torch::Tensor gain = 1 + options_.colour_jitter * draws.Normal(shape);
    return images_BCHW * gain + options_.colour_jitter * draws.Normal(shape);
  }

  const AlignOptions& options_;
  const Dataset& dataset_;
  torch::Device device_;
  Aligner aligner_;
  Vocabulary vocabulary_;
  Sources sources_;
  ImageData data_;
  ProfileStore train_profiles_, val_profiles_;
};

}  // namespace

Json TrainAligner(const AlignOptions& options) {
  RankGroup alone(OpenDevice(options.common.device));
  if (ReadRankEnvironment().world > 1)
    throw ConfigError("ALIGN_RANKS", "align compares all pairs of a batch and trains on one device: start one process");
  const TrainingDataset source = OpenTrainingDataset(options.dataset, options.training);
  const Dataset& dataset = source.dataset;
  ImageData data = LoadImageData(dataset, options.img_size, kAlignValLimit);
  Start start = MakeStart(options, dataset, data.img_size, alone.device());
  const Json facts = {{"dataset_fingerprint", dataset.fingerprint()},
                      {"vocabulary_fingerprint", start.vocabulary.fingerprint()},
                      {"sources", ToJson(start.sources)}};
  TrainingPlan plan{IdentityOf("align", "align", FolderName(dataset.path()), options, facts), options.common,
                    options.training, nullptr};
  plan.identity.earlier_fingerprint = dataset.earlier_fingerprint();
  plan.train_items = source.train_items;
  plan.make_task = [&](const fs::path&) {
    return std::make_unique<AlignTask>(options, dataset, std::move(start), std::move(data));
  };
  return RunTask(plan, alone);
}

}  // namespace genvinci
