#include "genvinci/training/feeds/profile_store.h"

#include <algorithm>

#include "genvinci/core/log.h"
#include "genvinci/core/memory.h"
#include "genvinci/core/progress.h"
#include "genvinci/core/signals.h"
#include "genvinci/core/text.h"
#include "genvinci/tensor/device.h"
#include "genvinci/tensor/eval_guard.h"

namespace genvinci {
namespace {

constexpr int64_t kEncodeProfiles = 16;

// 0 in the place of each token left out. As many draws as a profile has tokens: how far the batch is padded changes
// nothing.
torch::Tensor DropTokens(const torch::Tensor& tokens_BL, double share, ItemDraws& draws) {
  torch::Tensor kept_BL = tokens_BL.clone();
  auto kept = kept_BL.accessor<int64_t, 2>();
  for (int64_t item = 0; item < kept_BL.size(0); ++item) {
    const int64_t first = kept[item][0];
    bool any = false;
    for (int64_t i = 0; i < kept_BL.size(1); ++i) {
      if (kept[item][i] == 0) continue;
      if (draws.One(item) < share) kept[item][i] = 0;
      any = any || kept[item][i] != 0;
    }
    if (!any) kept[item][0] = first;
  }
  return kept_BL;
}

}  // namespace

ProfileStore::ProfileStore(ProfileEmbedder profiles, bool is_frozen)
    : profiles_(std::move(profiles)), is_frozen_(is_frozen) {
  const ProfileTokens& tokens = profiles_.tokens();
  if (!is_frozen_ || tokens.empty()) return;
  const int64_t count = tokens.size();
  const GeneTransformerConfig& config = profiles_.transformer()->config();
  const int64_t length = profiles_.longest();
  const double bytes = static_cast<double>(count * length * config.hidden) * sizeof(float);
  const auto room = static_cast<double>(MemoryToHold());
  if (bytes > room) {
    Warn(
        "the profiles' hidden states need {} of memory, of which {} are for them: each step runs the gene transformer, "
        "which is slower",
        HumanBytes(bytes), HumanBytes(room));
    return;
  }
  Fill(length);
}

EncodedProfiles ProfileStore::Encode(const std::vector<int64_t>& items) {
  const torch::Tensor tokens_BL = ToDevice(profiles_.Padded(items), profiles_.device());
  return {Hidden(items, tokens_BL), tokens_BL};
}

EncodedProfiles ProfileStore::EncodeDropped(const std::vector<int64_t>& items, double share, ItemDraws& draws) {
  if (share == 0) return Encode(items);
  const torch::Tensor tokens_BL = profiles_.Padded(items);
  const torch::Tensor kept_BL = ToDevice(DropTokens(tokens_BL, share, draws), profiles_.device());
  return {Hidden(items, is_frozen_ ? ToDevice(tokens_BL, profiles_.device()) : kept_BL), kept_BL};
}

torch::Tensor ProfileStore::Hidden(const std::vector<int64_t>& items, const torch::Tensor& tokens_BL) {
  if (!is_frozen_) return profiles_.transformer()->forward(tokens_BL);
  const torch::NoGradGuard no_grad;
  if (is_cached()) {
    const torch::Tensor rows_BLD = hidden_NLD_.index_select(0, torch::tensor(items, torch::kInt64));
    return ToDevice(rows_BLD.narrow(1, 0, tokens_BL.size(1)), tokens_BL.device());
  }
  const EvalGuard eval(*profiles_.transformer());
  return profiles_.transformer()->forward(tokens_BL);
}

void ProfileStore::Fill(int64_t length) {
  const int64_t count = profiles_.tokens().size();
  torch::Tensor hidden_NLD = torch::zeros({count, length, profiles_.transformer()->config().hidden});
  Progress progress("encoding profiles", count, "profiles");
  for (int64_t start = 0; start < count; start += kEncodeProfiles) {
    ThrowIfStopped("stopped while encoding: nothing was to be saved");
    std::vector<int64_t> items;
    for (int64_t i = start; i < std::min(count, start + kEncodeProfiles); ++i) items.push_back(i);
    const torch::Tensor tokens_BL = ToDevice(profiles_.Padded(items), profiles_.device());
    const auto size = static_cast<int64_t>(items.size());
    hidden_NLD.narrow(0, start, size).narrow(1, 0, tokens_BL.size(1)).copy_(Hidden(items, tokens_BL));
    progress.Add(size);
  }
  hidden_NLD_ = hidden_NLD;
}

}  // namespace genvinci
