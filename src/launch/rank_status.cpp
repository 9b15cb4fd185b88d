#include "genvinci/launch/rank_status.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include "genvinci/core/error.h"

namespace genvinci {

struct RankStatus::Page {
  static constexpr size_t kPath = 4000;
  char run[kPath + 8];
  std::atomic<int64_t> steps[1];  // one a rank
};

RankStatus RankStatus::Create(int ranks) {
  static_assert(std::atomic<int64_t>::is_always_lock_free);
  const uint64_t bytes = sizeof(Page) + static_cast<uint64_t>(ranks) * sizeof(std::atomic<int64_t>);
  const int descriptor = ::memfd_create("genvinci-ranks", 0);
  if (descriptor < 0 || ::ftruncate(descriptor, static_cast<off_t>(bytes)) != 0)
    throw IoError("RANK_START", "sharing memory with the ranks failed: {} (errno {})",
                  std::generic_category().message(errno), errno);
  return Open(descriptor);
}

RankStatus RankStatus::Open(int descriptor) {
  if (descriptor < 0) return {-1, nullptr, 0};
  struct stat info {};
  void* page = MAP_FAILED;
  if (::fstat(descriptor, &info) == 0 && info.st_size >= static_cast<off_t>(sizeof(Page)))
    page = ::mmap(nullptr, static_cast<size_t>(info.st_size), PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
  if (page == MAP_FAILED)
    throw ConfigError("RANK_ENVIRONMENT", "GENVINCI_STATUS_FD: {} is not what the launcher gave: unset it", descriptor);
  return {descriptor, static_cast<Page*>(page), static_cast<uint64_t>(info.st_size)};
}

RankStatus::RankStatus(RankStatus&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)),
      page_(std::exchange(other.page_, nullptr)),
      bytes_(other.bytes_) {}

RankStatus::~RankStatus() {
  if (!page_) return;
  ::munmap(page_, bytes_);
  ::close(descriptor_);
}

void RankStatus::SetStep(int rank, int64_t step) {
  if (page_) page_->steps[rank] = step;
}

int64_t RankStatus::Step(int rank) const { return page_ ? page_->steps[rank].load() : 0; }

void RankStatus::SetRun(const std::string& path) {
  if (page_ && path.size() < Page::kPath) std::memcpy(page_->run, path.c_str(), path.size() + 1);
}

std::string RankStatus::Run() const { return page_ ? page_->run : ""; }

}  // namespace genvinci
