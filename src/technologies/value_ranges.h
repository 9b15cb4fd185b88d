#pragma once

#include <cstdint>
#include <vector>

#include "genvinci/io/image.h"

namespace genvinci {

// How often each value of 16 bits is there, by channel.
class ValueHistogram {
 public:
  explicit ValueHistogram(size_t channels);

  void Add(const Image& patch);  // 16 bits
  // For colour, which keeps its balance: from 0 to the largest value of as few bits (8 at least) as hold all values.
  std::vector<ValueRange> FullScale() const;
  // From the 0.1th to the 99.9th percentile of each channel.
  std::vector<ValueRange> Percentiles() const;

 private:
  std::vector<std::vector<int64_t>> counts_;
};

// Two numbers for all channels, or two a channel. UsageError VALUE_RANGE.
std::vector<ValueRange> GivenRanges(const std::vector<double>& given, size_t channels);

}  // namespace genvinci
