#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

namespace genvinci {

// The middle one of one value or more, the upper of two.
inline double Median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

}  // namespace genvinci
