#include "genvinci/core/memory.h"

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <limits>
#include <optional>
#include <string>

#include "genvinci/core/error.h"
#include "genvinci/core/text.h"

namespace genvinci {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kNoLimit = std::numeric_limits<uint64_t>::max();

// The number behind `key` in lines of "key number", or the file's only number for an empty key.
std::optional<uint64_t> ReadCount(const fs::path& path, const std::string& key) {
  std::ifstream file(path);
  std::string word;
  while (key.empty() || file >> word) {
    uint64_t value = 0;
    if (!key.empty() && word != key) continue;
    if (file >> value) return value;
    return std::nullopt;
  }
  return std::nullopt;
}

// What is left under the limit of one group. Cached file pages count as used but are given back on demand.
uint64_t LeftIn(const fs::path& group, const char* limit_file, const char* use_file) {
  const auto limit = ReadCount(group / limit_file, "");  // "max" is no number: no limit
  const auto use = ReadCount(group / use_file, "");
  if (!limit || !use) return kNoLimit;
  const uint64_t cached = ReadCount(group / "memory.stat", "inactive_file").value_or(0);
  const uint64_t taken = *use - std::min(*use, cached);
  return *limit - std::min(*limit, taken);
}

// A limit of any group above counts too.
uint64_t LeftUpwards(const fs::path& top, std::string group, const char* limit_file, const char* use_file) {
  uint64_t left = LeftIn(top, limit_file, use_file);
  while (group.size() > 1) {
    left = std::min(left, LeftIn(top.string() + group, limit_file, use_file));
    group.resize(group.rfind('/'));
  }
  return left;
}

uint64_t LeftInGroups(const fs::path& root) {
  uint64_t left = kNoLimit;
  std::ifstream groups(root / "proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    const auto parts = SplitText(line, ':');  // "0::/path", or "4:memory:/path" in version 1
    if (parts.size() < 3 || !parts[2].starts_with('/')) continue;
    const fs::path top = root / "sys/fs/cgroup";
    const std::string group(parts[2]);
    if (parts[1].empty()) left = std::min(left, LeftUpwards(top, group, "memory.max", "memory.current"));
    if (parts[1] == "memory")
      left = std::min(left, LeftUpwards(top / "memory", group, "memory.limit_in_bytes", "memory.usage_in_bytes"));
  }
  return left;
}

}  // namespace

namespace internal {

uint64_t AvailableMemoryUnder(const std::string& root) {
  const auto kilobytes = ReadCount(fs::path(root) / "proc/meminfo", "MemAvailable:");
  return std::min(kilobytes ? *kilobytes * 1024 : kNoLimit, LeftInGroups(root));
}

}  // namespace internal

namespace {

std::atomic<int> sharers{1};

}  // namespace

void SetMemorySharers(int processes) { sharers = processes; }

uint64_t AvailableMemory() { return internal::AvailableMemoryUnder("/") / static_cast<uint64_t>(sharers.load()); }

uint64_t PeakMemory() { return ReadCount("/proc/self/status", "VmHWM:").value_or(0) * 1024; }

uint64_t MemoryToHold() {
  constexpr uint64_t kGiB = uint64_t{1} << 30;
  const uint64_t available = AvailableMemory();
  return std::min(available / 2, std::max(kGiB, available / 16));
}

void RequireMemory(uint64_t bytes, std::string_view what, std::string_view advice) {
  const uint64_t available = AvailableMemory();
  if (bytes <= available) return;
  throw DataError("MEMORY", "{}: needs {} of memory, {} are available: {}", what,
                  HumanBytes(static_cast<double>(bytes)), HumanBytes(static_cast<double>(available)), advice);
}

}  // namespace genvinci
