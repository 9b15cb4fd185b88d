#include "genvinci/training/semantic_target.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "genvinci/core/error.h"
#include "genvinci/core/log.h"
#include "genvinci/core/progress.h"
#include "genvinci/core/signals.h"
#include "genvinci/data/patch_store.h"
#include "genvinci/tensor/convert.h"
#include "genvinci/weights/load.h"

namespace genvinci {
namespace {

constexpr int kCacheFormat = 1;
constexpr int64_t kBatch = 16;

// Files are told apart by size and time: reading gigabytes would take longer than what the cache saves.
std::string SourceState(const WeightSource& source) {
  std::string state = fs::absolute(source.path()).string();
  std::error_code error;
  const auto file = fs::is_directory(source.path(), error) ? source.Folder() : source.path();
  state += fmt::format(" {}", fs::last_write_time(file, error).time_since_epoch().count());
  for (const std::string& name : source.names())
    state += fmt::format("\n{} {}", name, fmt::join(source.Shape(name), " "));
  return state;
}

class EmbeddingCache {
 public:
  EmbeddingCache(const Dataset& dataset, const std::vector<int64_t>& observations, const std::string& source_state)
      : path_(dataset.path() / "cache" / "image-embeddings.safetensors"),
        key_(Sha256(fmt::format("{} {} {}\n{}", kCacheFormat, dataset.fingerprint(), fmt::join(observations, " "),
                                source_state))) {}

  torch::Tensor Load() const {
    std::error_code error;
    if (!fs::exists(path_, error)) return {};
    try {
      const SafetensorsFile file(path_);
      const auto key = file.metadata().find("key");
      if (key == file.metadata().end() || key->second != key_) return {};
      return ToTensor(file.View("embeddings"));
    } catch (const Error& damaged) {
      Log("{}: embedding the images anew", damaged.what());
      return {};
    }
  }
  void Keep(const torch::Tensor& embeddings_NE) const {
    try {
      MakeFolder(path_.parent_path());
      WriteTensors(path_, {{"embeddings", embeddings_NE}}, {{"key", key_}});
    } catch (const IoError& error) {
      Log("the image embeddings are not kept: {}", error.what());
    }
  }

 private:
  fs::path path_;
  std::string key_;
};

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
  const EmbeddingCache cache(dataset, observations, SourceState(source));
  if (const torch::Tensor kept_NE = cache.Load(); kept_NE.defined()) return kept_NE;
  VisionTransformer network = OpenVisionTransformer(source);
  network->to(device);
  const torch::NoGradGuard no_grad;
  std::vector<torch::Tensor> embeddings;
  Progress progress("embedding images", static_cast<int64_t>(observations.size()), "images");
  for (size_t first = 0; first < observations.size(); first += kBatch) {
    ThrowIfStopped("stopped while embedding images: nothing was to be saved");
    const size_t end = std::min(observations.size(), first + kBatch);
    const torch::Tensor patches = LoadPatches(
        dataset, {observations.begin() + static_cast<int64_t>(first), observations.begin() + static_cast<int64_t>(end)},
        /*img_size=*/0);
    const torch::Tensor images = ClipInput(patches.to(torch::kFloat32) / 255, network->config().img_size);
    const torch::Tensor features_BE = network->forward(images.to(device));
    embeddings.push_back(torch::nn::functional::normalize(features_BE).cpu());
    progress.Add(static_cast<int64_t>(end - first));
  }
  const torch::Tensor embeddings_NE = torch::cat(embeddings);
  cache.Keep(embeddings_NE);
  return embeddings_NE;
}

}  // namespace genvinci
