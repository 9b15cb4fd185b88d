#pragma once

#include <cstdint>
#include <string>

namespace genvinci {

// A page of memory that the launcher shares with the ranks it started: what it has to say when one of them is gone.
class RankStatus {
 public:
  // The launcher's; descriptor() is inherited by the ranks.
  static RankStatus Create(int ranks);
  // A rank's. A negative descriptor: nothing is shared, setters do nothing.
  static RankStatus Open(int descriptor);

  RankStatus(RankStatus&& other) noexcept;
  RankStatus& operator=(RankStatus&&) = delete;
  ~RankStatus();

  int descriptor() const { return descriptor_; }
  void SetStep(int rank, int64_t step);
  int64_t Step(int rank) const;
  // The run's folder, from the main rank; longer than 4000 bytes: not kept.
  void SetRun(const std::string& path);
  std::string Run() const;

 private:
  struct Page;
  RankStatus(int descriptor, Page* page, uint64_t bytes) : descriptor_(descriptor), page_(page), bytes_(bytes) {}

  int descriptor_ = -1;
  Page* page_ = nullptr;
  uint64_t bytes_ = 0;
};

}  // namespace genvinci
