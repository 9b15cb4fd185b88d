#include "genvinci/data/patch_store.h"

#include <ATen/Parallel.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <numeric>

#include "genvinci/core/error.h"
#include "genvinci/core/memory.h"
#include "genvinci/core/progress.h"
#include "genvinci/core/sha256.h"
#include "genvinci/core/signals.h"
#include "genvinci/tensor/tensor_cache.h"

namespace genvinci {
namespace {

constexpr int kPatchesFormat = 1;
const char* const kPackedTensor = "patches";

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

// Hands over the decoded patches of some observations, in order: the first position and (n, H, W, C).
void ForEachChunk(const Dataset& dataset, const std::vector<int64_t>& observations, int64_t img_size,
                  const std::function<void(int64_t first, const torch::Tensor& patches_BHWC)>& use) {
  constexpr int64_t kChunk = 256;
  const auto count = static_cast<int64_t>(observations.size());
  const auto channels = static_cast<int64_t>(dataset.info().channels.size());
  const torch::Tensor patches_BHWC =
      torch::empty({std::min(count, kChunk), img_size, img_size, channels}, torch::kUInt8);
  Progress progress("reading patches", count, "patches");
  for (int64_t start = 0; start < count; start += kChunk) {
    ThrowIfStopped("stopped while reading patches: nothing was to be saved");
    const int64_t size = std::min(count - start, kChunk);
    at::parallel_for(0, size, 1, [&](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; ++i)
        CopyPatch(dataset, observations[static_cast<size_t>(start + i)], patches_BHWC[i]);
    });
    use(start, patches_BHWC.narrow(0, 0, size));
    progress.Add(size);
  }
}

// All patches of the dataset in the file. Null where it cannot be written.
std::shared_ptr<SafetensorsFile> Pack(const Dataset& dataset, int64_t img_size, const TensorCache& cache) {
  const auto channels = static_cast<int64_t>(dataset.info().channels.size());
  std::vector<int64_t> all(static_cast<size_t>(dataset.size()));
  std::iota(all.begin(), all.end(), 0);
  return cache.KeepRows({{kPackedTensor, DType::kU8, {dataset.size(), img_size, img_size, channels}}},
                        [&](const TensorCache::PutRows& put) {
                          ForEachChunk(dataset, all, img_size, [&](int64_t first, const torch::Tensor& patches_BHWC) {
                            put(kPackedTensor, first, patches_BHWC);
                          });
                        });
}

torch::Tensor HoldPatches(const Dataset& dataset, const std::vector<int64_t>& observations, int64_t img_size) {
  const auto count = static_cast<int64_t>(observations.size());
  const auto channels = static_cast<int64_t>(dataset.info().channels.size());
  RequireMemory(static_cast<uint64_t>(count * channels * img_size * img_size),
                dataset.path().string() + ": its patches",
                "let its folder be written to, choose a smaller --img_size or a machine with more memory");
  torch::Tensor patches_NHWC = torch::empty({count, img_size, img_size, channels}, torch::kUInt8);
  ForEachChunk(dataset, observations, img_size, [&](int64_t first, const torch::Tensor& patches_BHWC) {
    patches_NHWC.narrow(0, first, patches_BHWC.size(0)).copy_(patches_BHWC);
  });
  return patches_NHWC;
}

}  // namespace

PatchStore PatchStore::Open(const Dataset& dataset, const std::vector<int64_t>& observations, int64_t img_size) {
  if (!dataset.has_images())
    throw DataError("DATASET_NO_IMAGES", "{}: has no images: prepare it with images", dataset.path().string());
  if (img_size == 0) img_size = dataset.info().img_size;
  if (img_size == 0) img_size = dataset.LoadPatch(0).width;
  PatchStore store;
  store.observations_ = observations;
  store.dataset_ = dataset.fingerprint();
  const TensorCache cache(dataset.path() / "cache" / fmt::format("patches-{}.safetensors", img_size),
                          fmt::format("{} {} {}", kPatchesFormat, store.dataset_, img_size), "decoded patches");
  std::shared_ptr<SafetensorsFile> file = cache.Open();
  if (!file && dataset.keeps_caches()) file = Pack(dataset, img_size, cache);
  if (file) {
    store.stored_ = StoredRows(file, kPackedTensor);
    store.rows_P_ = torch::tensor(observations, torch::kInt64);
  } else {
    store.stored_ = StoredRows(HoldPatches(dataset, observations, img_size));
    store.rows_P_ = torch::arange(store.size());
  }
  return store;
}

std::vector<PatchStore> PatchStore::OpenParts(const Dataset& dataset, const std::vector<std::vector<int64_t>>& parts,
                                              int64_t img_size) {
  std::vector<int64_t> all;
  for (const std::vector<int64_t>& part : parts) all.insert(all.end(), part.begin(), part.end());
  const PatchStore whole = Open(dataset, all, img_size);
  std::vector<PatchStore> stores;
  int64_t first = 0;
  for (const std::vector<int64_t>& part : parts) {
    std::vector<int64_t> positions(part.size());
    std::iota(positions.begin(), positions.end(), first);
    stores.push_back(whole.Select(positions));
    first += static_cast<int64_t>(part.size());
  }
  return stores;
}

torch::Tensor PatchStore::Bytes(const torch::Tensor& positions_B) const {
  // Rows are whole copies; the view turned back is channels-last.
  return stored_.Read(rows_P_.index_select(0, positions_B)).permute({0, 3, 1, 2});
}

torch::Tensor PatchStore::Batch(const torch::Tensor& positions_B) const {
  return Bytes(positions_B).to(torch::kFloat32).mul_(2.0 / 255).sub_(1);
}

PatchStore PatchStore::Select(const std::vector<int64_t>& positions) const {
  PatchStore chosen = *this;
  chosen.rows_P_ = rows_P_.index_select(0, torch::tensor(positions, torch::kInt64));
  chosen.observations_.clear();
  for (const int64_t i : positions) chosen.observations_.push_back(observations_.at(static_cast<size_t>(i)));
  return chosen;
}

std::string PatchStore::Identity() const {
  return fmt::format("{} {} {}", dataset_, img_size(), Sha256(fmt::format("{}", fmt::join(observations_, " "))));
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
