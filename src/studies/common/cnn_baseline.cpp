#include "genvinci/studies/common/cnn_baseline.h"

#include <algorithm>
#include <optional>

#include "genvinci/core/error.h"
#include "genvinci/core/log.h"
#include "genvinci/core/progress.h"
#include "genvinci/core/signals.h"
#include "genvinci/data/patch_store.h"
#include "genvinci/models/gene_decoder.h"
#include "genvinci/tensor/byte_scale.h"
#include "genvinci/tensor/convert.h"
#include "genvinci/tensor/random.h"
#include "genvinci/tensor/tensor_cache.h"
#include "genvinci/training/engine/adamw.h"
#include "genvinci/training/engine/batch_order.h"

namespace genvinci {
namespace {

constexpr int kCacheFormat = 3;
constexpr int64_t kMultiple = 8;
constexpr int64_t kBaselineBatch = 32;
constexpr int64_t kSteps = 600;
constexpr int64_t kEvery = 40;    // steps from one look at val to the next
constexpr int64_t kPatience = 5;  // looks without a gain
constexpr int64_t kHeldOut = 10;  // each tenth training patch, where there is no val part
constexpr double kLearningRate = 1e-3;
constexpr double kWeightDecay = 0.05;

// About unit variance; components that hardly vary in the training part would else be blown up.
torch::Tensor Inputs(const ExpressionSpace& expression) {
  constexpr double kSmallest = 0.1;  // of the largest
  return expression.scores_NK / expression.scale_K.clamp_min(kSmallest * expression.scale_K.max().item<double>());
}

class CnnTraining {
 public:
  CnnTraining(const Dataset& dataset, const ExpressionSpace& expression, const CnnBaselineOptions& options)
      : dataset_(dataset), options_(options), inputs_NK_(Inputs(expression)) {
    config_.inputs = inputs_NK_.size(1);
    config_.channels = static_cast<int64_t>(dataset.info().channels.size());
    config_.img_size = (options.img_size + kMultiple - 1) / kMultiple * kMultiple;
    at::manual_seed(StreamKey(options.seed, "cnn"));
    network_ = GeneDecoder(config_);
    network_->to(options.device);
    mean_CHW_ = torch::zeros({config_.channels, config_.img_size, config_.img_size});
    strength_ = torch::zeros({1}, torch::kFloat64);
    val_mse_ = torch::zeros({2}, torch::kFloat64);
  }

  void TrainOrLoad() {
    if (!Load()) {
      Train();
      Keep();
    }
    tuning_ = {{"val_mse", val_mse_[0].item<double>()},
               {"val_mse_mean_image", val_mse_[1].item<double>()},
               {"strength", strength_.item<double>()}};
  }

  torch::Tensor Draw(const std::vector<int64_t>& observations) {
    const torch::NoGradGuard no_grad;
    std::vector<torch::Tensor> images;
    for (const torch::Tensor& rows_B : torch::tensor(observations, torch::kInt64).split(kBaselineBatch)) {
      torch::Tensor images_BCHW = mean_CHW_ + strength_.item<double>() * Addition(rows_B);
      if (config_.img_size != options_.img_size) {
        images_BCHW = torch::upsample_bilinear2d(images_BCHW, {options_.img_size, options_.img_size}, false);
      }
      images.push_back(ToByteScale(images_BCHW).to(torch::kUInt8));
    }
    return torch::cat(images);
  }

  const Json& tuning() const { return tuning_; }

 private:
  torch::Tensor Addition(const torch::Tensor& rows_B) {
    return network_(inputs_NK_.index_select(0, rows_B).to(options_.device)).to(torch::kCPU);
  }

  void SplitParts() {
    train_ = dataset_.Indices(Split::kTrain);
    val_ = dataset_.Indices(Split::kVal);
    if (!val_.empty()) return;
    std::vector<int64_t> kept;
    for (size_t i = 0; i < train_.size(); ++i) {
      (static_cast<int64_t>(i) % kHeldOut == kHeldOut - 1 ? val_ : kept).push_back(train_[i]);
    }
    train_ = kept;
    if (val_.empty()) {
      throw DataError("BASELINE_CNN",
                      "{}: {} training patches are too few for the CNN baseline: use --baselines "
                      "mean,nearest",
                      dataset_.path().string(), train_.size());
    }
  }

  void Train() {
    SplitParts();
    const std::vector<PatchStore> parts = PatchStore::OpenParts(dataset_, {train_, val_}, config_.img_size);
    const PatchStore &train_patches = parts[0], &val_patches = parts[1];
    mean_CHW_ = FromByteScale(train_patches.Bytes(torch::arange(train_patches.size())).to(torch::kFloat32).mean(0));
    const torch::Tensor val_target_NCHW = val_patches.Batch(torch::arange(val_patches.size())) - mean_CHW_;
    val_mse_[1] = val_target_NCHW.square().mean() / 4;  // from [-1, 1] to [0, 1]
    val_mse_[0] = val_mse_[1];
    AdamW optimizer(StateOf(*network_, ""), {.weight_decay = kWeightDecay});
    Progress progress("CNN baseline", kSteps, "steps");
    NamedTensors best = Copy();
    Batches batches;
    for (int64_t step = 0, since = 0; step < kSteps && since < kPatience; ++step) {
      ThrowIfStopped("stopped; nothing was written");
      if (batches.empty()) {
        batches = ShuffledBatches(static_cast<int64_t>(train_.size()), kBaselineBatch, options_.seed, step);
      }
      Step(optimizer, train_patches, batches.back(), step);
      batches.pop_back();
      progress.Add(1);
      if ((step + 1) % kEvery == 0) since = Improves(val_target_NCHW) ? (best = Copy(), 0) : since + 1;
    }
    Restore(best);
  }

  void Step(AdamW& optimizer, const PatchStore& train_patches, const std::vector<int64_t>& items, int64_t step) {
    const torch::Tensor positions_B = torch::tensor(items, torch::kInt64);
    std::vector<int64_t> rows;
    for (const int64_t item : items) rows.push_back(train_[static_cast<size_t>(item)]);
    torch::Generator generator = RandomStream(options_.seed, "cnn batch", {step});
    const torch::Tensor symmetries_B = torch::randint(kDihedrals, positions_B.sizes(), generator, torch::kInt64);
    const torch::Tensor target = DihedralEach(train_patches.Batch(positions_B), symmetries_B);
    const torch::Tensor error = mean_CHW_ + Addition(torch::tensor(rows, torch::kInt64)) - target;
    optimizer.ZeroGrad();
    (error.square().mean() + error.abs().mean()).backward();
    optimizer.Step(kLearningRate * std::min(1.0, 2 * (1 - static_cast<double>(step) / kSteps)));
  }

  // The strength that fits val best is the least-squares one.
  bool Improves(const torch::Tensor& target_NCHW) {
    const torch::NoGradGuard no_grad;
    double cross = 0, own = 0, target = 0;
    const torch::Tensor rows_N = torch::tensor(val_, torch::kInt64);
    for (const torch::Tensor& positions_B : torch::arange(rows_N.size(0)).split(kBaselineBatch)) {
      const torch::Tensor made = Addition(rows_N.index_select(0, positions_B)).to(torch::kFloat64);
      const torch::Tensor wanted = target_NCHW.index_select(0, positions_B).to(torch::kFloat64);
      cross += (made * wanted).sum().item<double>();
      own += made.square().sum().item<double>();
      target += wanted.square().sum().item<double>();
    }
    const double strength = own > 0 ? std::clamp(cross / own, 0.0, 1.0) : 0.0;
    const double mse =
        (target - 2 * strength * cross + strength * strength * own) / static_cast<double>(target_NCHW.numel()) / 4;
    if (mse >= val_mse_[0].item<double>()) return false;
    val_mse_[0] = mse;
    strength_[0] = strength;
    return true;
  }

  NamedTensors Copy() const {
    NamedTensors copy;
    for (const auto& [name, tensor] : StateOf(*network_, "")) copy.emplace_back(name, tensor.detach().clone());
    return copy;
  }
  void Restore(const NamedTensors& state) {
    const torch::NoGradGuard no_grad;
    const NamedTensors own = StateOf(*network_, "");
    for (size_t i = 0; i < own.size(); ++i) torch::Tensor(own[i].second).copy_(state[i].second);
  }

  fs::path CachePath() const {
    return dataset_.path() / "cache" / fmt::format("cnn-{}-{}.safetensors", options_.img_size, options_.seed);
  }
  TensorCache Cache() const {
    return {CachePath(),
            fmt::format("{} {} {} {} {}", kCacheFormat, dataset_.fingerprint(), options_.img_size, options_.seed,
                        config_.inputs),
            "the CNN baseline"};
  }

  bool Load() {
    const auto file = Cache().Open();
    if (!file) return false;
    LoadState(*network_, "network", *file, CachePath());
    mean_CHW_ = ToTensor(file->View("mean"));
    strength_ = ToTensor(file->View("strength"));
    val_mse_ = ToTensor(file->View("val_mse"));
    return true;
  }

  void Keep() const {
    NamedTensors state = StateOf(*network_, "network");
    state.insert(state.end(), {{"mean", mean_CHW_}, {"strength", strength_}, {"val_mse", val_mse_}});
    Cache().Keep(state);
  }

  const Dataset& dataset_;
  CnnBaselineOptions options_;
  torch::Tensor inputs_NK_;
  GeneDecoderConfig config_;
  GeneDecoder network_{nullptr};
  std::vector<int64_t> train_, val_;
  torch::Tensor mean_CHW_, strength_, val_mse_;  // val_mse_: of the baseline, of the mean image
  Json tuning_;
};

}  // namespace

CnnBaseline DrawCnnBaseline(const Dataset& dataset, const ExpressionSpace& expression,
                            const std::vector<int64_t>& observations, const CnnBaselineOptions& options) {
  CnnTraining training(dataset, expression, options);
  training.TrainOrLoad();
  return {training.Draw(observations), training.tuning()};
}

}  // namespace genvinci
