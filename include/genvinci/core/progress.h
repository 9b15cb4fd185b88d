#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>

namespace genvinci {

// A bar with rate and ETA on a terminal; in a log, a plain line every ten seconds at most. Silent with --quiet.
//   Progress progress("reading spots", n, "spots");
//   for (...) progress.Add(1);
class Progress {
 public:
  Progress(std::string title, int64_t total, std::string unit);
  ~Progress();  // ends the bar with a final line
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void Add(int64_t done);
  // Shown behind the rate, such as "loss 0.123".
  void SetNote(std::string note) { note_ = std::move(note); }

 private:
  void Show(bool last);
  std::string Text() const;

  std::string title_, unit_, note_;
  int64_t total_ = 0, done_ = 0;
  bool terminal_ = false;
  std::chrono::steady_clock::time_point start_, shown_;
};

}  // namespace genvinci
