#include "reference_layout.h"

namespace genvinci {
namespace {

constexpr const char* kName = "he_st";
constexpr const char* kHeldOut = "BC23377";
constexpr const char* kPatches = "spot_224";
constexpr int64_t kPatchSize = 224;

}  // namespace

bool ReferenceLayout::IsAt(const fs::path& folder) {
  return !fs::exists(folder / "dataset.json") && fs::exists(Expression(folder));
}

fs::path ReferenceLayout::Expression(const fs::path& folder) { return folder / "demo.h5ad"; }
fs::path ReferenceLayout::Patches(const fs::path& folder) { return folder / kPatches; }

DatasetInfo ReferenceLayout::Info(const fs::path& folder) {
  DatasetInfo info;
  info.name = fs::canonical(folder).filename().string();
  info.technology = "st";
  if (fs::is_directory(Patches(folder))) {
    info.channels = DefaultChannels(3);
    info.patch_size = info.img_size = kPatchSize;
  }
  info.split_kind = info.name == kName ? "prefix" : "none";
  info.provenance["layout"] = "reference";
  return info;
}

std::optional<SplitMasks> ReferenceLayout::Splits(const DatasetInfo& info, const DataFrame& obs) {
  if (info.name != kName && obs.Find("split")) return std::nullopt;
  const size_t n = obs.index.size();
  SplitMasks masks{std::vector<int8_t>(n, 1), std::vector<int8_t>(n), std::vector<int8_t>(n)};
  if (info.name != kName) return masks;
  for (size_t i = 0; i < n; ++i) {
    const bool held_out = obs.index[i].starts_with(kHeldOut);
    masks.train[i] = !held_out;
    masks.val[i] = masks.test[i] = held_out;
  }
  return masks;
}

}  // namespace genvinci
