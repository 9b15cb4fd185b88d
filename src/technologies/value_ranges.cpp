#include "value_ranges.h"

#include <algorithm>
#include <numeric>

#include "genvinci/core/error.h"

namespace genvinci {
namespace {

constexpr double kLowShare = 0.001, kHighShare = 0.999;

// The least value that has `share` of all values at or below it.
int64_t Quantile(const std::vector<int64_t>& counts, double share) {
  const auto wanted = share * static_cast<double>(std::accumulate(counts.begin(), counts.end(), int64_t{0}));
  int64_t below = 0;
  for (size_t value = 0; value < counts.size(); ++value) {
    below += counts[value];
    if (below > 0 && static_cast<double>(below) >= wanted) return static_cast<int64_t>(value);
  }
  return 0;
}

}  // namespace

ValueHistogram::ValueHistogram(size_t channels) : counts_(channels, std::vector<int64_t>(1 << 16)) {}

void ValueHistogram::Add(const Image& patch) {
  GENVINCI_CHECK(patch.bits == 16 && patch.channels == static_cast<int64_t>(counts_.size()), "{} channels of {} bits",
                 patch.channels, patch.bits);
  const auto* value = reinterpret_cast<const uint16_t*>(patch.bytes.data());
  for (size_t i = 0; i < patch.bytes.size() / sizeof(uint16_t); ++i) ++counts_[i % counts_.size()][value[i]];
}

std::vector<ValueRange> ValueHistogram::FullScale() const {
  int bits = 8;
  for (const std::vector<int64_t>& counts : counts_)
    while (bits < 16 && Quantile(counts, 1) >= (1 << bits)) ++bits;
  return std::vector<ValueRange>(counts_.size(), {0, static_cast<double>((1 << bits) - 1)});
}

std::vector<ValueRange> ValueHistogram::Percentiles() const {
  std::vector<ValueRange> ranges;
  for (const std::vector<int64_t>& counts : counts_) {
    const auto low = static_cast<double>(Quantile(counts, kLowShare));
    ranges.push_back({low, std::max(low + 1, static_cast<double>(Quantile(counts, kHighShare)))});
  }
  return ranges;
}

std::vector<ValueRange> GivenRanges(const std::vector<double>& given, size_t channels) {
  if (given.size() != 2 && given.size() != 2 * channels)
    throw UsageError("VALUE_RANGE", "--value_range: {} numbers for {} channels: give two for all or two a channel",
                     given.size(), channels);
  std::vector<ValueRange> ranges;
  for (size_t c = 0; c < channels; ++c) {
    const size_t at = given.size() == 2 ? 0 : 2 * c;
    if (!(given[at] < given[at + 1]))
      throw UsageError("VALUE_RANGE", "--value_range: {} to {} is no range: give the lower value first", given[at],
                       given[at + 1]);
    ranges.push_back({given[at], given[at + 1]});
  }
  return ranges;
}

}  // namespace genvinci
