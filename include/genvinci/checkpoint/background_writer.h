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
  NamedTensors frozen = {};  // frozen.safetensors: the same in each checkpoint that this writer writes
  Json state = Json::object();
  const Vocabulary* vocabulary = nullptr;  // lives until all is written
};

// Writes a run's checkpoints while training goes on: only the copy of the tensors is waited for, and the checkpoint
// before, where that is not written yet. Where memory has no room for a copy, writing is waited for too, and the log
// says so once. What is frozen is written twice and linked from then on: a checkpoint shares its file with the one
// before the last, so that no damaged file is all there is.
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
  void Commit(const CheckpointContent& content);
  void CommitFrozen(const CheckpointContent& content, CheckpointWriter& writer);

  fs::path run_;
  std::thread thread_;
  std::exception_ptr error_;  // written by the thread before `done_`
  std::atomic<bool> done_{true};
  bool has_warned_ = false;
  // Where this writer has put what is frozen: the steps of the last checkpoint and of the one before.
  std::string frozen_sum_;
  std::optional<int64_t> last_, before_last_;
};

}  // namespace genvinci
