#pragma once

#include <cstdint>
#include <vector>

namespace genvinci {

using Batches = std::vector<std::vector<int64_t>>;

// Every item 0..size-1 once, in an order that (seed, epoch) alone decides, in ceil(size / batch_size) batches.
Batches ShuffledBatches(int64_t size, int64_t batch_size, int64_t seed, int64_t epoch);

// The same with items of similar length in a batch: shuffled pools of 50 batches are sorted by length and cut, and the
// batches of all pools shuffled.
Batches BatchesByLength(const std::vector<int64_t>& lengths, int64_t batch_size, int64_t seed, int64_t epoch);

}  // namespace genvinci
