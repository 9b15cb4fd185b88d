#pragma once

#include <vector>

#include "genvinci/genes/profile_tokens.h"

namespace genvinci {

// Copies, which stay as they are when a file changes.
inline std::vector<std::vector<int32_t>> ListsOf(const ProfileTokens& profiles) {
  std::vector<std::vector<int32_t>> lists;
  for (int64_t i = 0; i < profiles.size(); ++i) lists.emplace_back(profiles[i].begin(), profiles[i].end());
  return lists;
}

}  // namespace genvinci
