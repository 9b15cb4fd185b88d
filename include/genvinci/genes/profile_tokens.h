#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "genvinci/io/token_dataset.h"

namespace genvinci {

// The rank-value tokens of profiles, in memory or in a mapped file. Copies and selections share them.
class ProfileTokens {
 public:
  ProfileTokens() = default;  // of no profile
  explicit ProfileTokens(TokenLists lists);
  // Profile i has tokens[offsets[i]] to tokens[offsets[i + 1] - 1]; `owner` keeps both in memory. InternalError where
  // the offsets do not ascend from 0 to the number of tokens.
  ProfileTokens(std::span<const int32_t> tokens, std::span<const int64_t> offsets, std::shared_ptr<const void> owner);
  static ProfileTokens Of(const std::vector<std::vector<int32_t>>& lists);

  int64_t size() const;
  bool empty() const { return size() == 0; }
  std::span<const int32_t> operator[](int64_t profile) const;
  int64_t longest() const;  // tokens of the longest profile; 0 of none
  // Those of some profiles, in this order.
  ProfileTokens Select(const std::vector<int64_t>& profiles) const;

 private:
  std::span<const int32_t> tokens_;
  std::span<const int64_t> offsets_;
  std::shared_ptr<const void> owner_;
  std::shared_ptr<const std::vector<int64_t>> selected_;  // null: all, in order
};

}  // namespace genvinci
