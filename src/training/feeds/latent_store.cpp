#include "genvinci/training/feeds/latent_store.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <optional>

#include "genvinci/core/log.h"
#include "genvinci/core/memory.h"
#include "genvinci/core/progress.h"
#include "genvinci/core/sha256.h"
#include "genvinci/core/signals.h"
#include "genvinci/core/text.h"
#include "genvinci/data/patch_store.h"
#include "genvinci/tensor/convert.h"
#include "genvinci/tensor/device.h"

namespace genvinci {
namespace {

constexpr int kLatentsFormat = 1;
constexpr int64_t kEncodeImages = 16;

uint64_t CacheBytes(const AutoencoderConfig& config, const torch::Tensor& patches_NCHW) {
  const int64_t side_h = patches_NCHW.size(2) / config.Factor(), side_w = patches_NCHW.size(3) / config.Factor();
  const int64_t values = kDihedrals * patches_NCHW.size(0) * config.latent_channels * side_h * side_w;
  return static_cast<uint64_t>(values) * 2 * sizeof(float);
}

// Of every patch and every weight.
std::string Key(AutoencoderImpl& autoencoder, const torch::Tensor& patches_NCHW) {
  const auto sum = [](const torch::Tensor& tensor) {
    const torch::Tensor bytes = tensor.detach().to(torch::kCPU).contiguous();
    return Sha256({static_cast<const char*>(bytes.data_ptr()), bytes.nbytes()});
  };
  std::string key = fmt::format("{} {} {}\n", kLatentsFormat, fmt::join(patches_NCHW.sizes(), "x"), sum(patches_NCHW));
  for (const auto& [name, tensor] : StateOf(autoencoder, "")) key += fmt::format("{} {}\n", name, sum(tensor));
  return key;
}

}  // namespace

LatentStore::LatentStore(Autoencoder autoencoder, const torch::Tensor& patches_NCHW, RankGroup& ranks,
                         const fs::path& cache)
    : autoencoder_(std::move(autoencoder)), device_(ranks.device()), patches_NCHW_(patches_NCHW) {
  const uint64_t bytes = CacheBytes(autoencoder_->config(), patches_NCHW);
  const uint64_t available = AvailableMemory();
  if (!ranks.Broadcast(Json(bytes <= available / 2)).get<bool>()) {
    Warn("the latents need {} of memory, {} are available: each step encodes its batch instead, which is slower",
         HumanBytes(static_cast<double>(bytes)), HumanBytes(static_cast<double>(available)));
    return;
  }
  std::optional<TensorCache> file;
  if (!cache.empty()) file.emplace(cache, Key(*autoencoder_, patches_NCHW), "the latents");
  const double missing = file && Read(*file) ? 0 : 1;
  if (ranks.Sum({missing})[0] > 0) {
    Encode(ranks);
    ranks.OnMain([&] {
      if (file) file->Keep({{"mean", mean_VNCHW_}, {"std", std_VNCHW_}});
    });
    // Ranks of one machine share the file's memory.
    if (file && ranks.world() > 1) Read(*file);
  }
  patches_NCHW_.reset();
}

bool LatentStore::Read(const TensorCache& cache) {
  const std::shared_ptr<SafetensorsFile> kept = cache.Open();
  if (!kept) return false;
  mean_VNCHW_ = BorrowTensor(kept->View("mean"), kept);
  std_VNCHW_ = BorrowTensor(kept->View("std"), kept);
  return true;
}

// Each rank encodes a run of the batches.
void LatentStore::Encode(RankGroup& ranks) {
  const int64_t count = patches_NCHW_.size(0);
  const int64_t batches = (count + kEncodeImages - 1) / kEncodeImages;  // of a symmetry
  const RankGroup::Share share = ranks.ShareOf(kDihedrals * batches);
  std::vector<torch::Tensor> means, stds;
  Progress progress("encoding patches", share.size(), "batches");
  for (int64_t i = share.first; i < std::max(share.end, share.first + 1); ++i) {
    ThrowIfStopped("stopped while encoding: nothing was to be saved");
    const int64_t start = i % batches * kEncodeImages;
    const torch::Tensor positions_B = torch::arange(start, std::min(count, start + kEncodeImages));
    const DiagonalGaussian posterior = EncodeBatch(positions_B, torch::full_like(positions_B, i / batches));
    means.push_back(posterior.mean_BCHW.cpu());
    stds.push_back((0.5 * posterior.log_variance_BCHW).exp().cpu());
    progress.Add(1);
  }
  const auto gather = [&](const std::vector<torch::Tensor>& mine) {
    // A rank without a share has encoded one for its shape.
    const torch::Tensor rows = torch::cat(mine);
    const torch::Tensor all = ranks.GatherRows(share.size() == 0 ? rows.narrow(0, 0, 0) : rows);
    return all.view({kDihedrals, count, all.size(1), all.size(2), all.size(3)});
  };
  mean_VNCHW_ = gather(means);
  std_VNCHW_ = gather(stds);
}

DiagonalGaussian LatentStore::EncodeBatch(const torch::Tensor& positions_B, const torch::Tensor& symmetries_B) {
  const torch::NoGradGuard no_grad;
  return autoencoder_->Encode(DihedralEach(PatchBatch(patches_NCHW_, positions_B), symmetries_B).to(device_));
}

torch::Tensor LatentStore::Sample(const torch::Tensor& positions_B, const torch::Tensor& symmetries_B,
                                  ItemDraws& draws) {
  const torch::NoGradGuard no_grad;
  torch::Tensor mean_BCHW, std_BCHW;
  if (is_cached()) {
    mean_BCHW = mean_VNCHW_.index({symmetries_B, positions_B});
    std_BCHW = std_VNCHW_.index({symmetries_B, positions_B});
  } else {
    const DiagonalGaussian posterior = EncodeBatch(positions_B, symmetries_B);
    mean_BCHW = posterior.mean_BCHW.to(torch::kCPU);
    std_BCHW = (0.5 * posterior.log_variance_BCHW).exp().to(torch::kCPU);
  }
  const torch::Tensor noise_BCHW = draws.Normal(mean_BCHW.sizes().slice(1));
  return ToDevice(mean_BCHW + std_BCHW * noise_BCHW, device_);
}

}  // namespace genvinci
