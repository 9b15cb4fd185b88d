#include "genvinci/studies/common/domain_space.h"

#include "genvinci/core/progress.h"
#include "genvinci/core/signals.h"
#include "genvinci/studies/common/generated_folder.h"

namespace genvinci {
namespace {

constexpr int64_t kScoredAtOnce = 64;

}  // namespace

DomainSpace::DomainSpace(const fs::path& path, const Dataset& dataset, const torch::Device& device)
    : loaded_(LoadAligner(path, device)) {
  loaded_.RequireDataset(dataset);
}

torch::Tensor DomainSpace::PatchFeatures(const Dataset& dataset, const std::vector<int64_t>& observations,
                                         int64_t img_size) const {
  std::vector<torch::Tensor> features, images;
  Progress progress("features of real images", static_cast<int64_t>(observations.size()), "images");
  for (size_t i = 0; i < observations.size(); ++i) {
    ThrowIfStopped("stopped; nothing was written");
    images.push_back(BytesOf(Resize(dataset.LoadPatch(observations[i]), img_size, img_size)));
    if (static_cast<int64_t>(images.size()) == kScoredAtOnce || i + 1 == observations.size()) {
      features.push_back(Features(torch::stack(images)));
      images.clear();
    }
    progress.Add(1);
  }
  return torch::cat(features);
}

}  // namespace genvinci
