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

constexpr int kLatentsFormat = 2;
constexpr int64_t kEncodeImages = 16;
constexpr int64_t kBatchesARound = 8;

// Of the patches and every weight.
std::string Key(AutoencoderImpl& autoencoder, const PatchStore& patches) {
  std::string key = fmt::format("{} {}\n", kLatentsFormat, patches.Identity());
  for (const auto& [name, tensor] : StateOf(autoencoder, "")) {
    const torch::Tensor bytes = tensor.detach().to(torch::kCPU).contiguous();
    key += fmt::format("{} {}\n", name, Sha256({static_cast<const char*>(bytes.data_ptr()), bytes.nbytes()}));
  }
  return key;
}

}  // namespace

LatentStore::LatentStore(Autoencoder autoencoder, PatchStore patches, RankGroup& ranks, const fs::path& cache,
                         int64_t planned_items, uint64_t memory)
    : autoencoder_(std::move(autoencoder)), device_(ranks.device()), patches_(std::move(patches)) {
  std::optional<TensorCache> file;
  if (!cache.empty()) file.emplace(cache, Key(*autoencoder_, patches_), "the latents");
  const double missing = file && Open(*file) ? 0 : 1;
  if (ranks.Sum({missing})[0] == 0) return;
  const std::vector<int64_t> sizes = Sizes();
  double bytes = 2 * sizeof(float);
  for (const int64_t size : sizes) bytes *= static_cast<double>(size);
  if (ranks.Broadcast(Json(bytes <= static_cast<double>(memory))).get<bool>()) {
    Hold(ranks);
    ranks.OnMain([&] {
      if (file) file->Keep({{"mean", mean_.all()}, {"std", std_.all()}});
    });
    // Ranks of one machine share the file's memory.
    if (file && ranks.world() > 1) Open(*file);
    return;
  }
  if (file && planned_items >= sizes[0] && Write(ranks, *file)) {
    const double without = is_cached() || Open(*file) ? 0 : 1;
    if (ranks.Sum({without})[0] == 0) return;
  }
  mean_ = std_ = {};
  Warn("the latents of all patches are {}, more than memory holds: each step encodes its batch instead",
       HumanBytes(bytes));
}

std::vector<int64_t> LatentStore::Sizes() const {
  const AutoencoderConfig& config = autoencoder_->config();
  const int64_t side = patches_.img_size() / config.Factor();
  return {kDihedrals * patches_.size(), config.latent_channels, side, side};
}

bool LatentStore::Open(const TensorCache& cache) {
  const std::shared_ptr<SafetensorsFile> kept = cache.Open();
  if (!kept) return false;
  Take(kept);
  return true;
}

void LatentStore::Take(const std::shared_ptr<SafetensorsFile>& kept) {
  mean_ = StoredRows(kept, "mean");
  std_ = StoredRows(kept, "std");
}

void LatentStore::Hold(RankGroup& ranks) {
  torch::Tensor mean = torch::empty(Sizes()), std = torch::empty(Sizes());
  Encode(ranks, [&](int64_t first_row, const torch::Tensor& means, const torch::Tensor& stds) {
    mean.narrow(0, first_row, means.size(0)).copy_(means);
    std.narrow(0, first_row, stds.size(0)).copy_(stds);
  });
  mean_ = StoredRows(mean);
  std_ = StoredRows(std);
}

bool LatentStore::Write(RankGroup& ranks, const TensorCache& cache) {
  const std::vector<TensorShape> shapes = {{"mean", DType::kF32, Sizes()}, {"std", DType::kF32, Sizes()}};
  if (!ranks.Broadcast(Json(ranks.is_main() && cache.HasRoomFor(shapes))).get<bool>()) return false;
  bool was_encoded = false;
  if (ranks.is_main()) {
    const auto kept = cache.KeepRows(shapes, [&](const TensorCache::PutRows& put) {
      was_encoded = true;
      Encode(ranks, [&](int64_t first_row, const torch::Tensor& means, const torch::Tensor& stds) {
        put("mean", first_row, means);
        put("std", first_row, stds);
      });
    });
    if (kept) Take(kept);
  }
  // The others, and a main rank that could not begin, take their part all the same.
  if (!was_encoded) Encode(ranks, [](int64_t, const torch::Tensor&, const torch::Tensor&) {});
  return true;
}

// In rounds, of which each rank encodes its share.
void LatentStore::Encode(RankGroup& ranks, const PutLatents& put) {
  const int64_t count = patches_.size();
  const int64_t batches = (count + kEncodeImages - 1) / kEncodeImages;  // of a symmetry
  const int64_t a_round = kBatchesARound * ranks.world();
  const int64_t all = kDihedrals * batches;
  Progress progress("encoding patches", all, "batches");
  std::vector<int64_t> no_rows = Sizes();
  no_rows[0] = 0;
  const torch::Tensor none = torch::empty(no_rows);  // of a rank without a share
  int64_t row = 0;
  for (int64_t start = 0; start < all; start += a_round) {
    ThrowIfStopped("stopped while encoding: nothing was to be saved");
    const RankGroup::Share share = ranks.ShareOf(std::min(a_round, all - start));
    std::vector<torch::Tensor> means = {none}, stds = {none};
    for (int64_t i = start + share.first; i < start + share.end; ++i) {
      const int64_t first = i % batches * kEncodeImages;
      const torch::Tensor positions_B = torch::arange(first, std::min(count, first + kEncodeImages));
      const DiagonalGaussian posterior = EncodeBatch(positions_B, torch::full_like(positions_B, i / batches));
      means.push_back(posterior.mean_BCHW.cpu());
      stds.push_back((0.5 * posterior.log_variance_BCHW).exp().cpu());
    }
    const torch::Tensor mean = ranks.GatherRows(torch::cat(means)), std = ranks.GatherRows(torch::cat(stds));
    put(row, mean, std);
    row += mean.size(0);
    progress.Add(std::min(a_round, all - start));
  }
}

DiagonalGaussian LatentStore::EncodeBatch(const torch::Tensor& positions_B, const torch::Tensor& symmetries_B) {
  const torch::NoGradGuard no_grad;
  return autoencoder_->Encode(DihedralEach(patches_.Batch(positions_B), symmetries_B).to(device_));
}

torch::Tensor LatentStore::Sample(const torch::Tensor& positions_B, const torch::Tensor& symmetries_B,
                                  ItemDraws& draws) {
  const torch::NoGradGuard no_grad;
  torch::Tensor mean_BCHW, std_BCHW;
  if (is_cached()) {
    const torch::Tensor rows_B = symmetries_B * patches_.size() + positions_B;
    mean_BCHW = mean_.Read(rows_B);
    std_BCHW = std_.Read(rows_B);
  } else {
    const DiagonalGaussian posterior = EncodeBatch(positions_B, symmetries_B);
    mean_BCHW = posterior.mean_BCHW.to(torch::kCPU);
    std_BCHW = (0.5 * posterior.log_variance_BCHW).exp().to(torch::kCPU);
  }
  const torch::Tensor noise_BCHW = draws.Normal(mean_BCHW.sizes().slice(1));
  return ToDevice(mean_BCHW + std_BCHW * noise_BCHW, device_);
}

}  // namespace genvinci
