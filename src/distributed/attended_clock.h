#pragma once

#include <algorithm>
#include <chrono>

namespace genvinci {

// Time as a thread has it that comes by once a period. What it was not there to see, since its process was stopped or
// the machine paused, counts as two periods at most: who slept through an hour must not say that nobody has answered
// for an hour.
class AttendedClock {
 public:
  using Duration = std::chrono::steady_clock::duration;

  explicit AttendedClock(Duration period) : most_(2 * period) {}

  void Tick() {
    const auto now = std::chrono::steady_clock::now();
    attended_ += std::min(now - last_, most_);
    last_ = now;
  }
  Duration now() const { return attended_; }

 private:
  Duration most_, attended_{0};
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

}  // namespace genvinci
