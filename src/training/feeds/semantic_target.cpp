#include "genvinci/training/feeds/semantic_target.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "genvinci/core/error.h"
#include "genvinci/core/log.h"
#include "genvinci/core/progress.h"
#include "genvinci/core/signals.h"
#include "genvinci/data/file_state.h"
#include "genvinci/data/patch_store.h"
#include "genvinci/tensor/convert.h"
#include "genvinci/tensor/tensor_cache.h"
#include "genvinci/weights/load.h"

namespace genvinci {
namespace {

constexpr int kEmbeddingsFormat = 3;
constexpr int64_t kBatch = 16;

std::string SourceState(const WeightSource& source) {
  std::error_code error;
  const bool is_folder = fs::is_directory(source.path(), error);
  std::string state =
      fs::absolute(source.path()).string() + "\n" + FileState(is_folder ? source.Folder() : source.path());
  for (const std::string& name : source.names())
    state += fmt::format("\n{} {}", name, fmt::join(source.Shape(name), " "));
  return state;
}

TensorCache CacheOf(const Dataset& dataset, const std::vector<int64_t>& observations, const WeightSource& source) {
  return {dataset.path() / "cache" / "image-embeddings.safetensors",
          fmt::format("{} {} {}\n{}", kEmbeddingsFormat, dataset.fingerprint(), fmt::join(observations, " "),
                      SourceState(source)),
          "image embeddings"};
}

}  // namespace

torch::Tensor ClipInput(const torch::Tensor& images_NCHW, int64_t side) {
  const auto channel = [&](const std::vector<double>& values) {
    return torch::tensor(values, images_NCHW.options()).view({1, 3, 1, 1});
  };
  torch::Tensor images = images_NCHW.expand({-1, 3, -1, -1});
  if (images.size(2) != side || images.size(3) != side)
    images = at::_upsample_bicubic2d_aa(images, {side, side}, /*align_corners=*/false).clamp(0, 1);
  return (images - channel({0.48145466, 0.4578275, 0.40821073})) / channel({0.26862954, 0.26130258, 0.27577711});
}

torch::Tensor ImageEmbeddings(const Dataset& dataset, const std::vector<int64_t>& observations,
                              const std::string& weights, const torch::Device& device) {
  const size_t channels = dataset.info().channels.size();
  if (channels != 1 && channels != 3)
    throw ConfigError("SEMANTIC_CHANNELS", "semantic_path: its network reads grey or RGB, {} has {} channels",
                      dataset.path().string(), channels);
  const WeightSource source = WeightSource::Open(weights);
  const TensorCache cache = CacheOf(dataset, observations, source);
  if (const auto kept = cache.Open()) return ToTensor(kept->View("embeddings"));
  VisionTransformer network = OpenVisionTransformer(source);
  network->to(device);
  const torch::NoGradGuard no_grad;
  std::vector<torch::Tensor> embeddings;
  const PatchStore patches = PatchStore::Open(dataset, observations, /*img_size=*/0);
  Progress progress("embedding images", static_cast<int64_t>(observations.size()), "images");
  for (size_t first = 0; first < observations.size(); first += kBatch) {
    ThrowIfStopped("stopped while embedding images: nothing was to be saved");
    const size_t end = std::min(observations.size(), first + kBatch);
    const torch::Tensor positions_B = torch::arange(static_cast<int64_t>(first), static_cast<int64_t>(end));
    const torch::Tensor images =
        ClipInput(patches.Bytes(positions_B).to(torch::kFloat32) / 255, network->config().img_size);
    const torch::Tensor features_BE = network->forward(images.to(device));
    embeddings.push_back(torch::nn::functional::normalize(features_BE).cpu());
    progress.Add(static_cast<int64_t>(end - first));
  }
  const torch::Tensor embeddings_NE = torch::cat(embeddings);
  if (dataset.keeps_caches()) cache.Keep({{"embeddings", embeddings_NE}});
  return embeddings_NE;
}

}  // namespace genvinci
