#pragma once

#include <atomic>
#include <exception>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "genvinci/checkpoint/checkpoint.h"

namespace genvinci {

// What a checkpoint is to hold.
struct CheckpointContent {
  int64_t step = 0;
  bool best = false;
  int64_t keep_last = 2;
  std::vector<std::pair<std::string, NamedTensors>> tensors = {};  // "model" -> model.safetensors
  Json state = Json::object();
  std::optional<Vocabulary> vocabulary = {};
};

// Writes a run's checkpoints while training goes on: only the copy of the tensors is waited for, and the checkpoint
// before, where that is not written yet. Where memory has no room for a copy, writing is waited for too, and the log
// says so once.
class BackgroundWriter {
 public:
  explicit BackgroundWriter(fs::path run) : run_(std::move(run)) {}
  ~BackgroundWriter();  // waits
  BackgroundWriter(const BackgroundWriter&) = delete;
  BackgroundWriter& operator=(const BackgroundWriter&) = delete;

  void Write(CheckpointContent content);
  // Until all is on the disk. Throws what writing threw.
  void Wait();
  // Throws it too, without waiting.
  void Check();

 private:
  void Commit(const CheckpointContent& content) const;

  fs::path run_;
  std::thread thread_;
  std::exception_ptr error_;  // written by the thread before `done_`
  std::atomic<bool> done_{true};
  bool has_warned_ = false;
};

}  // namespace genvinci
