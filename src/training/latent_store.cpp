#include "genvinci/training/latent_store.h"

#include <algorithm>

#include "genvinci/core/log.h"
#include "genvinci/core/memory.h"
#include "genvinci/core/progress.h"
#include "genvinci/core/signals.h"
#include "genvinci/core/text.h"
#include "genvinci/data/patch_store.h"

namespace genvinci {
namespace {

constexpr int64_t kEncodeBatch = 16;

uint64_t CacheBytes(const AutoencoderConfig& config, const torch::Tensor& patches_NCHW) {
  const int64_t side_h = patches_NCHW.size(2) / config.Factor(), side_w = patches_NCHW.size(3) / config.Factor();
  const int64_t values = kDihedrals * patches_NCHW.size(0) * config.latent_channels * side_h * side_w;
  return static_cast<uint64_t>(values) * 2 * sizeof(float);
}

}  // namespace

LatentStore::LatentStore(Autoencoder autoencoder, const torch::Tensor& patches_NCHW, const torch::Device& device)
    : autoencoder_(std::move(autoencoder)), device_(device), patches_NCHW_(patches_NCHW) {
  const uint64_t bytes = CacheBytes(autoencoder_->config(), patches_NCHW);
  const uint64_t available = AvailableMemory();
  if (bytes > available / 2) {
    Warn("the latents need {} of memory, {} are available: each step encodes its batch instead, which is slower",
         HumanBytes(static_cast<double>(bytes)), HumanBytes(static_cast<double>(available)));
    return;
  }
  Encode();
  patches_NCHW_.reset();
}

void LatentStore::Encode() {
  const int64_t count = patches_NCHW_.size(0);
  Progress progress("encoding patches", kDihedrals * count, "patches");
  for (int64_t d = 0; d < kDihedrals; ++d) {
    for (int64_t start = 0; start < count; start += kEncodeBatch) {
      ThrowIfStopped("stopped while encoding: nothing was to be saved");
      const int64_t end = std::min(count, start + kEncodeBatch);
      const torch::Tensor positions_B = torch::arange(start, end);
      const DiagonalGaussian posterior = EncodeBatch(positions_B, torch::full_like(positions_B, d));
      if (!is_cached()) {
        std::vector<int64_t> shape = posterior.mean_BCHW.sizes().vec();
        shape[0] = count;
        shape.insert(shape.begin(), kDihedrals);
        mean_VNCHW_ = torch::empty(shape);
        std_VNCHW_ = torch::empty(shape);
      }
      mean_VNCHW_[d].narrow(0, start, end - start).copy_(posterior.mean_BCHW);
      std_VNCHW_[d].narrow(0, start, end - start).copy_((0.5 * posterior.log_variance_BCHW).exp());
      progress.Add(end - start);
    }
  }
}

DiagonalGaussian LatentStore::EncodeBatch(const torch::Tensor& positions_B, const torch::Tensor& symmetries_B) {
  const torch::NoGradGuard no_grad;
  return autoencoder_->Encode(DihedralEach(PatchBatch(patches_NCHW_, positions_B), symmetries_B).to(device_));
}

torch::Tensor LatentStore::Sample(const torch::Tensor& positions_B, const torch::Tensor& symmetries_B,
                                  torch::Generator generator) {
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
  const torch::Tensor noise_BCHW = torch::randn(mean_BCHW.sizes(), generator);
  return (mean_BCHW + std_BCHW * noise_BCHW).to(device_);
}

}  // namespace genvinci
