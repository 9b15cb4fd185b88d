#include "genvinci/data/patch_store.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cstring>

#include "genvinci/core/error.h"
#include "genvinci/core/memory.h"
#include "genvinci/core/progress.h"

namespace genvinci {
namespace {

void CopyPatch(const Dataset& dataset, int64_t observation, const torch::Tensor& out_HWC) {
  Image image = dataset.LoadPatch(observation);
  const int64_t height = out_HWC.size(0), width = out_HWC.size(1), channels = out_HWC.size(2);
  if (image.channels != channels || image.bits != 8)
    throw DataError(
        "PATCH_CHANNELS", "{}: observation {} has {} channels of {} bits, not {} of 8 bits: prepare it anew",
        dataset.PatchPath(observation).string(), dataset.obs_name(observation), image.channels, image.bits, channels);
  if (image.width != width || image.height != height) image = Resize(image, width, height);
  std::memcpy(out_HWC.data_ptr<uint8_t>(), image.bytes.data(), image.bytes.size());
}

}  // namespace

torch::Tensor LoadPatches(const Dataset& dataset, const std::vector<int64_t>& observations, int64_t img_size) {
  if (!dataset.has_images())
    throw DataError("DATASET_NO_IMAGES", "{}: has no images: prepare it with images", dataset.path().string());
  const auto count = static_cast<int64_t>(observations.size());
  const auto channels = static_cast<int64_t>(dataset.info().channels.size());
  if (img_size == 0) img_size = dataset.info().img_size;
  if (img_size == 0 && count > 0) img_size = dataset.LoadPatch(observations[0]).width;
  RequireMemory(static_cast<uint64_t>(count * channels * img_size * img_size),
                dataset.path().string() + ": its patches", "choose a smaller --img_size or a machine with more memory");
  const torch::Tensor patches_NHWC = torch::empty({count, img_size, img_size, channels}, torch::kUInt8);
  Progress progress("reading patches", count, "patches");
  constexpr int64_t kChunk = 256;
  for (int64_t start = 0; start < count; start += kChunk) {
    const int64_t end = std::min(count, start + kChunk);
    at::parallel_for(start, end, 1, [&](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; ++i) CopyPatch(dataset, observations[static_cast<size_t>(i)], patches_NHWC[i]);
    });
    progress.Add(end - start);
  }
  return patches_NHWC.permute({0, 3, 1, 2});
}

torch::Tensor PatchBatch(const torch::Tensor& patches_NCHW, const torch::Tensor& positions_B) {
  // Rows of the NHWC store are whole copies; the view turned back is channels-last.
  const torch::Tensor batch = patches_NCHW.permute({0, 2, 3, 1}).index_select(0, positions_B).permute({0, 3, 1, 2});
  return batch.to(torch::kFloat32).mul_(2.0 / 255).sub_(1);
}

torch::Tensor Dihedral(const torch::Tensor& images_BCHW, int64_t d) {
  GENVINCI_CHECK(d >= 0 && d < kDihedrals, "d is {}", d);
  const torch::Tensor mirrored = d >= 4 ? images_BCHW.flip({3}) : images_BCHW;
  return d % 4 == 0 ? mirrored : torch::rot90(mirrored, d % 4, {2, 3});
}

torch::Tensor DihedralEach(const torch::Tensor& images_BCHW, const torch::Tensor& d_B) {
  torch::Tensor out = torch::empty_like(images_BCHW);
  const torch::Tensor d_cpu = d_B.to(torch::kCPU);
  for (int64_t i = 0; i < images_BCHW.size(0); ++i)
    out.narrow(0, i, 1).copy_(Dihedral(images_BCHW.narrow(0, i, 1), d_cpu[i].item<int64_t>()));
  return out;
}

}  // namespace genvinci
