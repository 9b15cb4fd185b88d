#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace genvinci {

// Memory that this process may still take: MemAvailable, or the cgroup's limit less its use where that is smaller; of
// it, the share of one of so many processes that take it at the same time.
uint64_t AvailableMemory();
void SetMemorySharers(int processes);

// How much may be held only so that it is not worked out again: half of what is available, and of a large memory a
// sixteenth.
uint64_t MemoryToHold();

// The most memory that this process has had at a time.
uint64_t PeakMemory();

// Throws DataError (MEMORY) saying need, available and `advice` when `bytes` are more than is available.
void RequireMemory(uint64_t bytes, std::string_view what, std::string_view advice);

namespace internal {
// AvailableMemory with proc/ and sys/ under `root`.
uint64_t AvailableMemoryUnder(const std::string& root);
}  // namespace internal

}  // namespace genvinci
