#include "genvinci/studies/common/image_sources.h"

#include <algorithm>

#include "genvinci/core/error.h"
#include "genvinci/core/progress.h"
#include "genvinci/core/signals.h"
#include "genvinci/metrics/feature_metrics.h"
#include "genvinci/studies/common/cnn_baseline.h"
#include "genvinci/studies/common/expression_space.h"
#include "genvinci/tensor/byte_scale.h"

namespace genvinci {
namespace {

constexpr int64_t kReconstructedAtOnce = 32;

// One image an observation.
ImageSource Fixed(const std::string& key, const std::string& title, const torch::Tensor& images_NCHW) {
  return {key, title, [images_NCHW](int64_t i) { return images_NCHW.narrow(0, i, 1); }};
}

// There and back through the autoencoder, by the mean of its posterior.
torch::Tensor Reconstruct(const torch::Tensor& real_NCHW, Pipeline pipeline, RankGroup& ranks) {
  const RankGroup::Share share = ranks.ShareOf(real_NCHW.size(0));
  std::vector<torch::Tensor> all = {real_NCHW.narrow(0, 0, 0)};
  Autoencoder& autoencoder = pipeline->autoencoder;
  for (int64_t first = share.first; first < share.end; first += kReconstructedAtOnce) {
    ThrowIfStopped("stopped; nothing was written");
    const torch::Tensor real_BCHW = real_NCHW.slice(0, first, std::min(first + kReconstructedAtOnce, share.end));
    const torch::Tensor images_BCHW = FromByteScale(real_BCHW.to(ranks.device()));
    const torch::Tensor decoded_BCHW = autoencoder->Decode(autoencoder->Encode(images_BCHW).mean_BCHW);
    all.push_back(ToByteScale(decoded_BCHW).to(torch::kCPU, torch::kUInt8));
  }
  return ranks.GatherRows(torch::cat(all));
}

// The patch of the training profile that is nearest in expression.
ImageSource Nearest(const SourceSettings& settings, const ExpressionSpace& expression) {
  const torch::Tensor train_N = torch::tensor(settings.dataset.Indices(Split::kTrain), torch::kInt64);
  const torch::Tensor rows_N = torch::tensor(settings.rows, torch::kInt64);
  const NearestRows nearest =
      FindNearest(expression.scores_NK.index_select(0, rows_N), expression.scores_NK.index_select(0, train_N));
  const torch::Tensor found_N = train_N.index_select(0, nearest.indices_N);
  return {"nearest", "nearest profile",
          [&dataset = settings.dataset, size = settings.generated.img_size, found_N](int64_t i) {
            return PatchBytes(dataset, found_N[i].item<int64_t>(), size).unsqueeze(0);
          }};
}

ImageSource MeanTrainingImage(const SourceSettings& settings) {
  const std::vector<int64_t> training = settings.dataset.Indices(Split::kTrain);
  const RankGroup::Share share = settings.ranks.ShareOf(static_cast<int64_t>(training.size()));
  torch::Tensor sum_CHW = torch::zeros_like(settings.real_NCHW[0], torch::kFloat64);
  Progress progress("mean training image", share.size(), "images");
  for (int64_t i = share.first; i < share.end; ++i) {
    ThrowIfStopped("stopped; nothing was written");
    sum_CHW += PatchBytes(settings.dataset, training[static_cast<size_t>(i)], settings.generated.img_size);
    progress.Add(1);
  }
  settings.ranks.Sum(sum_CHW);
  const torch::Tensor mean_1CHW = (sum_CHW / static_cast<double>(training.size())).unsqueeze(0);
  return {"mean_image", "mean image", [mean_1CHW](int64_t) { return mean_1CHW; }};
}

}  // namespace

torch::Tensor PatchBytes(const Dataset& dataset, int64_t row, int64_t img_size) {
  return BytesOf(Resize(dataset.LoadPatch(row), img_size, img_size));
}

const ImageSource* ImageSources::Find(const std::string& key) const {
  const auto found = std::find_if(all.begin(), all.end(), [&](const ImageSource& source) { return source.key == key; });
  return found == all.end() ? nullptr : &*found;
}

ImageSources MakeSources(const SourceSettings& settings, Pipeline pipeline) {
  ImageSources sources;
  sources.all.push_back(
      {"generated", "generated", [&generated = settings.generated](int64_t i) { return generated.LoadSamples(i); }});
  sources.all.push_back(
      Fixed("reconstructed", "reconstructed", Reconstruct(settings.real_NCHW, pipeline, settings.ranks)));
  if (settings.baselines.empty()) return sources;
  const fs::path& path = settings.dataset.path();
  if (settings.dataset.Indices(Split::kTrain).empty()) {
    throw DataError("SPLIT_EMPTY", "{}: its train part is empty: use --baselines with no value", path.string());
  }
  const auto wants = [&](const char* name) {
    return std::find(settings.baselines.begin(), settings.baselines.end(), name) != settings.baselines.end();
  };
  if (wants("nearest") || wants("cnn")) {
    const ExpressionSpace expression = ExpressionSpace::Fit(settings.dataset);
    if (wants("nearest")) sources.all.push_back(Nearest(settings, expression));
    if (wants("cnn")) {
      const torch::AutoGradMode with_gradients(/*enabled=*/true);
      CnnBaseline cnn;
      // It is kept when it is trained.
      settings.ranks.MainFirst([&] {
        cnn = DrawCnnBaseline(settings.dataset, expression, settings.rows,
                              {settings.generated.img_size, settings.seed, settings.ranks.device()});
      });
      sources.cnn_tuning = cnn.tuning;
      sources.all.push_back(Fixed("cnn", "CNN", cnn.images_NCHW));
    }
  }
  if (wants("mean")) sources.all.push_back(MeanTrainingImage(settings));
  return sources;
}

}  // namespace genvinci
