#include <torch/torch.h>

#include <algorithm>
#include <numeric>

#include "genvinci/core/log.h"
#include "genvinci/models/gene_transformer.h"
#include "genvinci/tensor/device.h"
#include "genvinci/tensor/random.h"
#include "genvinci/training/engine/run_task.h"
#include "genvinci/training/feeds/masking.h"
#include "genvinci/training/feeds/pretrain_data.h"
#include "genvinci/training/tasks/frequency_baseline.h"
#include "genvinci/training/tasks/tasks.h"
#include "genvinci/weights/load.h"
#include "genvinci/weights/load_runs.h"

namespace genvinci {
namespace {

GeneTransformerConfig ConfigFor(const PretrainOptions& options, const Vocabulary& vocabulary) {
  GeneTransformerConfig config = options.transformer;
  config.vocabulary_size = vocabulary.size();
  return config;
}

class PretrainTask : public TrainingTask {
 public:
  PretrainTask(const PretrainOptions& options, const PretrainData& data, RankGroup& ranks)
      : options_(options),
        data_(data),
        ranks_(ranks),
        device_(ranks.device()),
        config_(ConfigFor(options, data.vocabulary)),
        transformer_(config_),
        baseline_(data.train, data.vocabulary.first_gene(), config_.vocabulary_size) {
    if (options.init_path.empty()) {
      StartFromFrequencies();
    } else {
      LoadTransformerWeights(WeightSource::Open(options.init_path), transformer_);
    }
    transformer_->to(device_);
    for (int64_t i = 0; i < data.train.size(); ++i) lengths_.push_back(static_cast<int64_t>(data.train[i].size()));
    if (data.val.empty()) Log("{}: has no val part: the latest checkpoint counts as the best", options.dataset);
  }

  std::string kind() const override { return "mlm"; }
  int64_t size() const override { return data_.train.size(); }
  std::string ItemName(int64_t item) const override {
    return data_.train_names.empty() ? fmt::format("profile {}", item) : data_.train_names[static_cast<size_t>(item)];
  }
  torch::nn::Module& module() override { return *transformer_; }
  NamedTensors Trained() override {
    NamedTensors trained;
    for (const auto& item : transformer_->named_parameters())
      trained.emplace_back("transformer." + item.key(), item.value());
    return trained;
  }
  NamedTensors State() override { return StateOf(*transformer_, "transformer"); }
  void Load(const TensorFile& file, const fs::path& path) override {
    LoadState(*transformer_, "transformer", file, path);
  }
  Json Describe() const override { return {{"transformer", ToJson(config_)}}; }
  const Vocabulary* vocabulary() const override { return &data_.vocabulary; }
  Batches EpochBatches(int64_t batch_size, int64_t seed, int64_t epoch) const override {
    return BatchesByLength(lengths_, batch_size, seed, epoch);
  }

  StepLoss Loss(const std::vector<int64_t>& items, const DrawKey& key) override {
    const MaskedBatch batch = Mask(data_.train, items, key);
    return {torch::nn::functional::cross_entropy(Logits(batch), ToDevice(batch.labels_N, device_)), {}};
  }
  // Masked tokens, of which each counts the same.
  bool WeighsItemsAlike() const override { return false; }
  double Weight(const std::vector<int64_t>& items, const DrawKey& key) const override {
    return static_cast<double>(Mask(data_.train, items, key).labels_N.numel());
  }

  std::optional<Evaluation> Evaluate(int64_t) override {
    if (data_.val.empty()) return std::nullopt;
    return Evaluation{Score(data_.val, "val"), "val_loss", /*higher_is_better=*/false};
  }

  // Of the test part, by the weights of the run's best checkpoint.
  Json Test(const fs::path& run) {
    const torch::NoGradGuard no_grad;
    LoadTransformer(run, transformer_);
    transformer_->eval();
    return Score(data_.test, "test");
  }

 private:
  // With a bias of zero the first hundreds of steps only learn how common each gene is, and on the way all profiles
  // come to look the same to the network.
  void StartFromFrequencies() {
    const torch::NoGradGuard no_grad;
    transformer_->named_parameters()["cls.predictions.bias"].copy_(baseline_.log_frequency_V());
  }

  // Loss and accuracy at masked positions, which are the same each time, and the frequency baselines at the same ones.
  // Each rank scores its share of the batches.
  Json Score(const ProfileTokens& profiles, const std::string& part) {
    double loss = 0, hits = 0, count = 0;
    baseline_.Reset();
    const Batches batches = BatchesInOrderOfLength(profiles);
    for (size_t b = static_cast<size_t>(ranks_.rank()); b < batches.size(); b += static_cast<size_t>(ranks_.world())) {
      // Of a run that is finished the test part is scored to the end: nobody would come back to it.
      if (part == "val") ThrowIfStoppedAlone(ranks_);
      const MaskedBatch batch = Mask(profiles, batches[b], {options_.common.seed, 0, part + " mask"});
      const torch::Tensor logits_NV = Logits(batch);
      const torch::Tensor labels_N = ToDevice(batch.labels_N, device_);
      const auto n = static_cast<double>(labels_N.numel());
      loss += n * torch::nn::functional::cross_entropy(logits_NV, labels_N).item<double>();
      hits += (logits_NV.argmax(1) == labels_N).sum().item<double>();
      count += n;
      baseline_.Add(batch.labels_N, batch.ranks_N);
    }
    const std::vector<double> sums = ranks_.Sum({loss, hits, count});
    baseline_.Reduce(ranks_);
    Json metrics = {{part + "_loss", sums[0] / sums[2]}, {part + "_accuracy", sums[1] / sums[2]}};
    metrics.update(baseline_.Result());
    metrics[part + "_tokens"] = static_cast<int64_t>(sums[2]);
    return metrics;
  }

  MaskedBatch Mask(const ProfileTokens& profiles, const std::vector<int64_t>& items, const DrawKey& key) const {
    ItemDraws draws(key, items);
    return MaskTokens(profiles.Select(items),
                      {options_.mask_probability, data_.vocabulary.first_gene(), config_.vocabulary_size}, draws);
  }

  // At the chosen positions alone: the vocabulary is the widest layer by far.
  torch::Tensor Logits(const MaskedBatch& batch) {
    const torch::Tensor hidden_BLD = transformer_->forward(ToDevice(batch.tokens_BL, device_));
    return transformer_->MlmLogits(hidden_BLD.index({ToDevice(batch.chosen_BL, device_)}));
  }

  // By length, so that little is padded.
  Batches BatchesInOrderOfLength(const ProfileTokens& profiles) const {
    std::vector<int64_t> order(static_cast<size_t>(profiles.size()));
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(),
                     [&](int64_t a, int64_t b) { return profiles[a].size() < profiles[b].size(); });
    Batches batches;
    for (size_t i = 0; i < order.size(); ++i) {
      if (i % static_cast<size_t>(options_.training.batch_size) == 0) batches.emplace_back();
      batches.back().push_back(order[i]);
    }
    return batches;
  }

  const PretrainOptions& options_;
  const PretrainData& data_;
  RankGroup& ranks_;
  torch::Device device_;
  GeneTransformerConfig config_;
  GeneTransformer transformer_;
  FrequencyBaseline baseline_;
  std::vector<int64_t> lengths_;
};

}  // namespace

Json Pretrain(const PretrainOptions& options) {
  return WithRanks(options.ranks, options.common, [&](RankGroup& ranks) {
    std::optional<PretrainData> data;
    ranks.MainFirst([&] { data = LoadPretrainData(options); });
    TrainingPlan plan{IdentityOf("pretrain", "mlm", data->name, options, data->facts), options.common, options.training,
                      nullptr};
    plan.identity.earlier_fingerprint = data->earlier_fingerprint;
    plan.train_items = data->train_items;
    plan.make_task = [&](const fs::path&) {
      at::manual_seed(StreamKey(options.common.seed, "init"));
      return std::make_unique<PretrainTask>(options, *data, ranks);
    };
    plan.finish = [&](TrainingTask& task, const fs::path& run, Json& result) {
      if (data->test.empty()) return;
      result["test"] = static_cast<PretrainTask&>(task).Test(run);
      if (ranks.is_main()) WriteJson(run / "test.json", result["test"]);
      Log("test part, by the best checkpoint: {}", result["test"].dump());
    };
    return RunTask(plan, ranks);
  });
}

}  // namespace genvinci
