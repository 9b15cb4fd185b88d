#include "genvinci/models/profile_embedder.h"

#include <algorithm>

#include "genvinci/genes/vocabulary.h"
#include "genvinci/tensor/device.h"

namespace genvinci {

namespace {

int64_t PaddedLength(const ProfileTokens& profiles, int64_t max_tokens, bool full) {
  return full ? max_tokens : std::clamp<int64_t>(profiles.longest(), 1, max_tokens);
}

}  // namespace

torch::Tensor PadTokens(const ProfileTokens& profiles, int64_t max_tokens, bool full) {
  const int64_t length = PaddedLength(profiles, max_tokens, full);
  torch::Tensor padded_BL = torch::full({profiles.size(), length}, kPadToken, torch::kInt64);
  for (int64_t b = 0; b < profiles.size(); ++b) {
    const std::span<const int32_t> tokens = profiles[b];
    const auto kept = tokens.first(std::min(tokens.size(), static_cast<size_t>(length)));
    std::copy(kept.begin(), kept.end(), padded_BL.data_ptr<int64_t>() + b * length);
  }
  return padded_BL;
}

ProfileEmbedder::ProfileEmbedder(GeneTransformer transformer, ProfileTokens tokens, bool full_length)
    : transformer_(std::move(transformer)), tokens_(std::move(tokens)), full_length_(full_length) {}

int64_t ProfileEmbedder::longest() const {
  return PaddedLength(tokens_, transformer_->config().max_tokens, full_length_);
}

torch::Tensor ProfileEmbedder::Padded(const std::vector<int64_t>& profiles) const {
  return PadTokens(tokens_.Select(profiles), transformer_->config().max_tokens, full_length_);
}

EncodedProfiles ProfileEmbedder::Encode(const std::vector<int64_t>& profiles) const {
  const torch::Tensor tokens_BL = ToDevice(Padded(profiles), device());
  GeneTransformer transformer = transformer_;
  return {transformer->forward(tokens_BL), tokens_BL, {}};
}

}  // namespace genvinci
