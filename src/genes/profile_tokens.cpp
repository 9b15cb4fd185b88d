#include "genvinci/genes/profile_tokens.h"

#include <algorithm>

#include "genvinci/core/error.h"

namespace genvinci {

ProfileTokens::ProfileTokens(TokenLists lists) {
  const auto kept = std::make_shared<const TokenLists>(std::move(lists));
  *this = ProfileTokens(kept->tokens, kept->offsets, kept);
}

ProfileTokens::ProfileTokens(std::span<const int32_t> tokens, std::span<const int64_t> offsets,
                             std::shared_ptr<const void> owner)
    : tokens_(tokens), offsets_(offsets), owner_(std::move(owner)) {
  GENVINCI_CHECK(!offsets.empty() && offsets.front() == 0 && offsets.back() == static_cast<int64_t>(tokens.size()) &&
                     std::is_sorted(offsets.begin(), offsets.end()),
                 "{} offsets do not fit {} tokens", offsets.size(), tokens.size());
}

ProfileTokens ProfileTokens::Of(const std::vector<std::vector<int32_t>>& lists) {
  TokenLists flat;
  for (const auto& list : lists) flat.Add(list);
  return ProfileTokens(std::move(flat));
}

int64_t ProfileTokens::size() const {
  if (selected_) return static_cast<int64_t>(selected_->size());
  return offsets_.empty() ? 0 : static_cast<int64_t>(offsets_.size()) - 1;
}

std::span<const int32_t> ProfileTokens::operator[](int64_t profile) const {
  GENVINCI_CHECK(profile >= 0 && profile < size(), "profile {} of {}", profile, size());
  const auto i = static_cast<size_t>(selected_ ? (*selected_)[static_cast<size_t>(profile)] : profile);
  return tokens_.subspan(static_cast<size_t>(offsets_[i]), static_cast<size_t>(offsets_[i + 1] - offsets_[i]));
}

int64_t ProfileTokens::longest() const {
  size_t longest = 0;
  for (int64_t i = 0; i < size(); ++i) longest = std::max(longest, (*this)[i].size());
  return static_cast<int64_t>(longest);
}

ProfileTokens ProfileTokens::Select(const std::vector<int64_t>& profiles) const {
  std::vector<int64_t> rows;
  rows.reserve(profiles.size());
  for (const int64_t i : profiles) {
    GENVINCI_CHECK(i >= 0 && i < size(), "profile {} of {}", i, size());
    rows.push_back(selected_ ? (*selected_)[static_cast<size_t>(i)] : i);
  }
  ProfileTokens chosen = *this;
  chosen.selected_ = std::make_shared<const std::vector<int64_t>>(std::move(rows));
  return chosen;
}

}  // namespace genvinci
