#include <torch/torch.h>

#include <algorithm>

#include "finetune_start.h"
#include "genvinci/core/error.h"
#include "genvinci/core/log.h"
#include "genvinci/data/patch_store.h"
#include "genvinci/tensor/device.h"
#include "genvinci/tensor/random.h"
#include "genvinci/training/engine/dry_run.h"
#include "genvinci/training/engine/run_task.h"
#include "genvinci/training/feeds/condition_feed.h"
#include "genvinci/training/feeds/image_data.h"
#include "genvinci/training/feeds/latent_store.h"
#include "genvinci/training/tasks/finetune_loss.h"
#include "genvinci/training/tasks/image_grid.h"
#include "genvinci/training/tasks/tasks.h"
#include "genvinci/training/tasks/val_study.h"
#include "genvinci/weights/load_runs.h"

namespace genvinci {
namespace {

constexpr int64_t kFinetuneGridRows = 8;
constexpr int64_t kFinetuneValLimit = 512;
constexpr int64_t kFinetuneEvalBatch = 16;

// Each profile, with all that is read beside it, goes to the next observation.
Condition Rolled(const Condition& condition) {
  return condition.Rows(torch::arange(condition.time_BT.size(0), condition.time_BT.device()).roll(1));
}

class FinetuneTask : public TrainingTask {
 public:
  FinetuneTask(const FinetuneOptions& options, const Dataset& dataset, FinetuneStart start, ImageData data,
               const fs::path& run, RankGroup& ranks)
      : options_(options),
        dataset_(dataset),
        run_(run),
        ranks_(ranks),
        device_(ranks.device()),
        pipeline_(start.pipeline),
        vocabulary_(std::move(start.vocabulary)),
        sources_(std::move(start.sources)),
        train_(std::move(data.train)),
        val_(std::move(data.val)),
        val_patches_(data.val_patches),
        embeddings_NE_(start.embeddings_NE),
        tokens_(std::move(start.tokens)),
        table_(start.table),
        latents_(pipeline_->autoencoder, data.train_patches, ranks,
                 dataset.keeps_caches() ? dataset.path() / "cache" / "latents.safetensors" : fs::path(),
                 PlannedItems(options.training, static_cast<int64_t>(train_.size()), ranks.world())),
        train_conditions_(pipeline_, table_, train_, tokens_, options.freeze_transformer),
        val_conditions_(pipeline_, table_, val_, tokens_, options.freeze_transformer) {
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
  void Load(const TensorFile& file, const fs::path& path) override { LoadState(*pipeline_, "", file, path); }
  Json Describe() const override {
    return {{"pipeline", ToJson(pipeline_->config())},
            {"sampling", ToJson(options_.sampling)},
            {"sources", ToJson(sources_)}};
  }
  const Vocabulary* vocabulary() const override { return &vocabulary_; }

  StepLoss Loss(const std::vector<int64_t>& items, const DrawKey& key) override {
    ItemDraws draws(key, items);
    const torch::Tensor positions_B = Positions(items);
    const torch::Tensor symmetries_B = draws.Integers(kDihedrals);
    const torch::Tensor latents_BCHW = pipeline_->Normalise(latents_.Sample(positions_B, symmetries_B, draws));
    const torch::Tensor times_B = ToDevice(pipeline_->objective().DrawTimesteps(draws), device_);
    const torch::Tensor noise_BCHW = ToDevice(draws.Normal(latents_BCHW.sizes().slice(1)), device_);
    const torch::Tensor embeddings_BE =
        embeddings_NE_.defined() ? ToDevice(embeddings_NE_.index_select(0, positions_B), device_) : torch::Tensor();
    return FinetuneLoss(*pipeline_, TrainCondition(items, draws), {latents_BCHW, noise_BCHW, times_B, embeddings_BE},
                        options_.semantic_weight);
  }

  // The loss at times spread evenly and noise that is the same each time; and with the profiles of other observations,
  // which says how much the genes matter. Each rank scores its share of the batches.
  std::optional<Evaluation> Evaluate(int64_t step) override {
    if (val_.empty()) return std::nullopt;
    double loss = 0, shuffled = 0;
    const auto count = static_cast<int64_t>(val_.size());
    for (int64_t start = kFinetuneEvalBatch * ranks_.rank(); start < count;
         start += kFinetuneEvalBatch * ranks_.world()) {
      ThrowIfStoppedAlone(ranks_);
      const std::vector<int64_t> items(val_order_.begin() + start,
                                       val_order_.begin() + std::min(count, start + kFinetuneEvalBatch));
      const torch::Tensor shares_B =
          (torch::arange(start, start + static_cast<int64_t>(items.size())) + 0.5) / static_cast<double>(count);
      const torch::Tensor times_B = pipeline_->objective().TimestepsAt(shares_B).to(device_);
      const torch::Tensor latents_BCHW = val_latents_NCHW_.index_select(0, Positions(items)).to(device_);
      const torch::Tensor noise_BCHW = ValNoise(items).to(device_);
      const Condition condition = val_conditions_.Read(items);
      loss += pipeline_->Loss(latents_BCHW, condition, times_B, noise_BCHW).sum().item<double>();
      shuffled += pipeline_->Loss(latents_BCHW, Rolled(condition), times_B, noise_BCHW).sum().item<double>();
    }
    ranks_.OnMain([&] { WriteGrid(step); });
    const auto n = static_cast<double>(count);
    const std::vector<double> sums = ranks_.Sum({loss, shuffled});
    Json metrics = {
        {"val_loss", sums[0] / n}, {"val_loss_shuffled", sums[1] / n}, {"val_gap", (sums[1] - sums[0]) / n}};
    if (study_) metrics.update(study_->Score(pipeline_, val_conditions_.Read(study_->items()), options_.sampling));
    return Evaluation{metrics, study_ ? ValStudy::kChoice : "val_loss", /*higher_is_better=*/false};
  }

  // The sampling of the best checkpoint, on val.
  void ChooseSampling() {
    if (!study_) return;
    const torch::NoGradGuard no_grad;
    Pipeline best = LoadPipeline(run_, device_).pipeline;
    // Its gene transformer is not the one in training: nothing worked out with that serves.
    const auto table = std::make_shared<ConditionTable>(*table_);
    if (!best->transformer.is_empty() && options_.neighbours > 0)
      table->ReadNeighboursBy({best->transformer, tokens_}, /*is_frozen=*/true);
    const Condition condition =
        ConditionFeed(best, table, val_, tokens_, /*transformer_is_frozen=*/false).Read(study_->items());
    genvinci::ChooseSampling(*study_, best, condition,
                             {options_.sampling, options_.guidance_candidates, options_.steps_candidates}, run_);
  }

 private:
  void OpenStudy() {
    study_.emplace(dataset_, val_, val_patches_,
                   ValStudyOptions{ResolveRun(FolderName(dataset_.path()), "align", options_.align_path),
                                   options_.eval_images, options_.common.seed},
                   ranks_);
  }

  Condition TrainCondition(const std::vector<int64_t>& items, ItemDraws& draws) {
    Condition condition = train_conditions_.ReadDropped(items, options_.gene_dropout, draws);
    const auto draw = [&](double share) { return ToDevice(draws.Uniform() < share, device_); };
    if (options_.condition_dropout > 0) condition = pipeline_->Drop(condition, draw(options_.condition_dropout));
    if (condition.second.tokens_BLD.defined() && options_.second_dropout > 0)
      condition = pipeline_->DropExtra(condition, draw(options_.second_dropout));
    return condition;
  }

  // Normalised posterior means.
  torch::Tensor EncodeVal() {
    const torch::NoGradGuard no_grad;
    if (val_.empty()) return {};
    std::vector<torch::Tensor> latents;
    for (const torch::Tensor& positions_B : torch::arange(val_patches_.size()).split(kFinetuneEvalBatch)) {
      const torch::Tensor images_BCHW = val_patches_.Batch(positions_B).to(device_);
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
    const std::vector<int64_t> items = EvenlySpread(count, std::min(kFinetuneGridRows, count));
    const torch::Tensor positions_B = Positions(items);
    const torch::Tensor real_BCHW = val_patches_.Batch(positions_B);
    const torch::Tensor made_BCHW = pipeline_->DecodeImages(val_latents_NCHW_.index_select(0, positions_B).to(device_));
    const Condition condition = val_conditions_.Read(items);
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
  RankGroup& ranks_;
  torch::Device device_;
  Pipeline pipeline_;
  Vocabulary vocabulary_;
  Sources sources_;
  std::vector<int64_t> train_, val_, val_order_;
  PatchStore val_patches_;
  torch::Tensor val_latents_NCHW_;
  torch::Tensor embeddings_NE_;
  ProfileTokens tokens_;
  std::shared_ptr<ConditionTable> table_;
  LatentStore latents_;
  ConditionFeed train_conditions_, val_conditions_;
  std::optional<ValStudy> study_;
};

// A run that was stopped while it chose its sampling still has that to do.
bool IsComplete(const fs::path& run, const Json& options) {
  std::error_code error;
  return options.value("align_path", std::string()).empty() || fs::exists(run / "sampling.json", error);
}

}  // namespace

Json Finetune(const FinetuneOptions& options) {
  return WithRanks(options.ranks, options.common, [&](RankGroup& ranks) {
    const TrainingDataset source = OpenTrainingDataset(options.dataset, options.training);
    const Dataset& dataset = source.dataset;
    ImageData data;
    ranks.MainFirst([&] { data = LoadImageData(dataset, options.img_size, kFinetuneValLimit); });
    FinetuneStart start = MakeFinetuneStart(options, dataset, data, ranks);
    const Json facts = {{"dataset_fingerprint", dataset.fingerprint()},
                        {"vocabulary_fingerprint", start.vocabulary.fingerprint()},
                        {"sources", ToJson(start.sources)}};
    TrainingPlan plan{IdentityOf("finetune", "ldm", FolderName(dataset.path()), options, facts), options.common,
                      options.training, nullptr};
    plan.identity.is_complete = IsComplete;
    plan.identity.earlier_fingerprint = dataset.earlier_fingerprint();
    plan.train_items = source.train_items;
    plan.make_task = [&](const fs::path& run) {
      return std::make_unique<FinetuneTask>(options, dataset, std::move(start), std::move(data), run, ranks);
    };
    plan.finish = [](TrainingTask& task, const fs::path&, Json& result) {
      if (result.at("finished").get<bool>()) static_cast<FinetuneTask&>(task).ChooseSampling();
    };
    return RunTask(plan, ranks);
  });
}

}  // namespace genvinci
