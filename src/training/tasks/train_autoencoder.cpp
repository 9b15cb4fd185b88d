#include <torch/torch.h>

#include <algorithm>

#include "genvinci/core/error.h"
#include "genvinci/data/patch_store.h"
#include "genvinci/metrics/image_metrics.h"
#include "genvinci/models/autoencoder.h"
#include "genvinci/nn/memory_format.h"
#include "genvinci/tensor/byte_scale.h"
#include "genvinci/tensor/device.h"
#include "genvinci/tensor/random.h"
#include "genvinci/training/engine/dry_run.h"
#include "genvinci/training/engine/run_task.h"
#include "genvinci/training/feeds/image_data.h"
#include "genvinci/training/tasks/image_grid.h"
#include "genvinci/training/tasks/tasks.h"

namespace genvinci {
namespace {

constexpr int64_t kAutoencoderGridRows = 8;
constexpr int64_t kAutoencoderEvalBatch = 16;
// So many patches tell mean and scale of a latent channel to within a percent.
constexpr int64_t kMeasuredPatches = 512;
constexpr double kLargestPsnr = 100;  // equal images have an infinite one

// Mean absolute error of the differences between neighbouring pixels.
torch::Tensor EdgeLoss(const torch::Tensor& error_BCHW) {
  return error_BCHW.diff(1, 2).abs().mean() + error_BCHW.diff(1, 3).abs().mean();
}

AutoencoderConfig ConfigFor(const AutoencoderOptions& options, const Dataset& dataset, int64_t img_size) {
  AutoencoderConfig config = options.autoencoder;
  config.channels = static_cast<int64_t>(dataset.info().channels.size());
  if (img_size % config.Factor() != 0)
    throw ConfigError("AUTOENCODER_IMG_SIZE", "img_size: {} px; the autoencoder needs a multiple of {}: {} would do",
                      img_size, config.Factor(), (img_size / config.Factor() + 1) * config.Factor());
  return config;
}

class AutoencoderTask : public TrainingTask {
 public:
  AutoencoderTask(const AutoencoderOptions& options, const Dataset& dataset, ImageData data, const fs::path& run,
                  RankGroup& ranks)
      : options_(options),
        dataset_(dataset),
        run_(run),
        ranks_(ranks),
        device_(ranks.device()),
        data_(std::move(data)),
        config_(ConfigFor(options, dataset, data_.img_size)) {
    at::manual_seed(StreamKey(options.common.seed, "init"));
    autoencoder_ = Autoencoder(config_);
    UseChannelsLast(*autoencoder_);
    autoencoder_->to(device_);
    latent_mean_C_ = torch::zeros({config_.latent_channels});
    latent_scale_C_ = torch::ones({config_.latent_channels});
  }

  std::string kind() const override { return "autoencoder"; }
  int64_t size() const override { return static_cast<int64_t>(data_.train.size()); }
  std::string ItemName(int64_t item) const override {
    return dataset_.obs_name(data_.train[static_cast<size_t>(item)]);
  }
  torch::nn::Module& module() override { return *autoencoder_; }
  NamedTensors Trained() override {
    NamedTensors trained;
    for (const auto& item : autoencoder_->named_parameters())
      trained.emplace_back("autoencoder." + item.key(), item.value());
    return trained;
  }
  NamedTensors State() override {
    NamedTensors state = StateOf(*autoencoder_, "autoencoder");
    state.emplace_back("latent_mean", latent_mean_C_);
    state.emplace_back("latent_scale", latent_scale_C_);
    return state;
  }
  void Load(const TensorFile& file, const fs::path& path) override {
    LoadState(*autoencoder_, "autoencoder", file, path);
  }
  Json Describe() const override {
    return {{"autoencoder", ToJson(config_)}, {"img_size", data_.img_size}, {"channels", dataset_.info().channels}};
  }

  StepLoss Loss(const std::vector<int64_t>& items, const DrawKey& key) override {
    ItemDraws draws(key, items);
    const torch::Tensor positions_B = Positions(items);
    const torch::Tensor symmetries_B = draws.Integers(kDihedrals);
    const torch::Tensor images_BCHW =
        ToDevice(DihedralEach(data_.train_patches.Batch(positions_B), symmetries_B), device_);
    const DiagonalGaussian posterior = autoencoder_->Encode(images_BCHW);
    const torch::Tensor noise_BCHW = ToDevice(draws.Normal(posterior.mean_BCHW.sizes().slice(1)), device_);
    const torch::Tensor error_BCHW = autoencoder_->Decode(posterior.Sample(noise_BCHW)) - images_BCHW;
    const torch::Tensor l1 = error_BCHW.abs().mean();
    const torch::Tensor l2 = error_BCHW.square().mean();
    // The errors are means over an image's values; so is the divergence, which keeps Stable Diffusion's weight's
    // meaning.
    const torch::Tensor kl = posterior.Kl().mean() / static_cast<double>(images_BCHW[0].numel());
    torch::Tensor loss = options_.l1_weight * l1 + options_.l2_weight * l2 + options_.kl_weight * kl;
    StepLoss result{loss, {{"l1", l1.detach()}, {"l2", l2.detach()}, {"kl", kl.detach()}}};
    if (options_.edge_weight > 0) {
      const torch::Tensor edge = EdgeLoss(error_BCHW);
      result.loss = loss + options_.edge_weight * edge;
      result.parts.emplace_back("edge", edge.detach());
    }
    return result;
  }

  // Each rank scores its share of the batches.
  std::optional<Evaluation> Evaluate(int64_t step) override {
    ranks_.OnMain([&] { WriteGrid(step); });
    if (data_.val.empty()) return std::nullopt;
    std::vector<double> sums = {0, 0};
    const auto count = static_cast<int64_t>(data_.val.size());
    for (int64_t start = kAutoencoderEvalBatch * ranks_.rank(); start < count;
         start += kAutoencoderEvalBatch * ranks_.world()) {
      ThrowIfStoppedAlone(ranks_);
      const torch::Tensor real_BCHW =
          data_.val_patches.Batch(torch::arange(start, std::min(count, start + kAutoencoderEvalBatch)));
      const torch::Tensor real = ToByteScale(real_BCHW), made = ToByteScale(Reconstruct(real_BCHW));
      sums[0] += PeakSignalToNoise(real, made).clamp_max(kLargestPsnr).sum().item<double>();
      sums[1] += StructuralSimilarity(real, made).sum().item<double>();
    }
    sums = ranks_.Sum(sums);
    const auto n = static_cast<double>(count);
    return Evaluation{{{"val_psnr", sums[0] / n}, {"val_ssim", sums[1] / n}}, "val_psnr", /*higher_is_better=*/true};
  }

  // Mean and 1 / standard deviation of each latent channel, of posterior samples: a channel that the KL term emptied
  // has next to no spread of its own, and would be blown up into noise.
  void BeforeSave() override {
    std::vector<torch::Tensor> means, variances;
    const std::vector<int64_t> chosen = EvenlySpread(size(), std::min(size(), kMeasuredPatches));
    const torch::Tensor positions_N = Positions(chosen);
    for (const torch::Tensor& positions_B : positions_N.split(kAutoencoderEvalBatch)) {
      const DiagonalGaussian posterior = autoencoder_->Encode(data_.train_patches.Batch(positions_B).to(device_));
      means.push_back(posterior.mean_BCHW.to(torch::kCPU));
      variances.push_back(posterior.log_variance_BCHW.exp().to(torch::kCPU));
    }
    const auto by_channel = [](const std::vector<torch::Tensor>& parts) {
      return torch::cat(parts).transpose(0, 1).flatten(1).to(torch::kFloat64);
    };
    const torch::Tensor means_CN = by_channel(means);
    const torch::Tensor variance_C = means_CN.var(1) + by_channel(variances).mean(1);
    latent_mean_C_ = means_CN.mean(1).to(torch::kFloat32);
    latent_scale_C_ = variance_C.sqrt().clamp_min(1e-6).reciprocal().to(torch::kFloat32);
  }

 private:
  torch::Tensor Reconstruct(const torch::Tensor& images_BCHW) {
    const torch::Tensor mean_BCHW = autoencoder_->Encode(images_BCHW.to(device_)).mean_BCHW;
    return autoencoder_->Decode(mean_BCHW).clamp(-1, 1).to(torch::kCPU);
  }

  void WriteGrid(int64_t step) {
    const PatchStore& patches = data_.val.empty() ? data_.train_patches : data_.val_patches;
    const std::vector<int64_t> chosen = EvenlySpread(patches.size(), std::min(kAutoencoderGridRows, patches.size()));
    const torch::Tensor real_BCHW = patches.Batch(Positions(chosen));
    WriteSampleGrid(run_, step, {real_BCHW.unbind(0), Reconstruct(real_BCHW).unbind(0)});
  }

  const AutoencoderOptions& options_;
  const Dataset& dataset_;
  fs::path run_;
  RankGroup& ranks_;
  torch::Device device_;
  ImageData data_;
  AutoencoderConfig config_;
  Autoencoder autoencoder_{nullptr};
  torch::Tensor latent_mean_C_, latent_scale_C_;
};

}  // namespace

Json TrainAutoencoder(const AutoencoderOptions& options) {
  return WithRanks(options.ranks, options.common, [&](RankGroup& ranks) {
    const TrainingDataset source = OpenTrainingDataset(options.dataset, options.training);
    const Dataset& dataset = source.dataset;
    ImageData data;
    ranks.MainFirst([&] { data = LoadImageData(dataset, options.img_size, /*val_limit=*/0); });
    ConfigFor(options, dataset, data.img_size);  // what is refused leaves no run folder
    const Json facts = {{"dataset_fingerprint", dataset.fingerprint()}};
    TrainingPlan plan{IdentityOf("autoencoder", "autoencoder", FolderName(dataset.path()), options, facts),
                      options.common, options.training, nullptr};
    plan.identity.earlier_fingerprint = dataset.earlier_fingerprint();
    plan.train_items = source.train_items;
    plan.make_task = [&](const fs::path& run) {
      return std::make_unique<AutoencoderTask>(options, dataset, std::move(data), run, ranks);
    };
    return RunTask(plan, ranks);
  });
}

}  // namespace genvinci
