#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "genvinci/core/progress.h"
#include "genvinci/core/run_folder.h"
#include "genvinci/io/events.h"

namespace genvinci {

// What a step came to, over all its batches and ranks.
struct StepNumbers {
  double loss = 0;
  std::vector<std::pair<std::string, double>> parts = {};  // of the loss
  double lr = 0, gradient_norm = 0;

  void Add(const std::string& part, double value);
};

// metrics.jsonl, TensorBoard events and the progress bar of a run. The means since the last row are part of a
// checkpoint, so that a resumed run's rows are those of one that was never cut.
class TrainingLog {
 public:
  explicit TrainingLog(RunFolder& folder) : folder_(folder), events_(folder.path()) {}

  void Start(int64_t steps);
  void End() { progress_.reset(); }
  // `writes`: a row is due.
  void Step(int64_t step, const StepNumbers& numbers, int64_t samples, double seconds, bool writes);
  void Evaluation(int64_t step, const Json& metrics, double seconds);
  void Flush() { events_.Flush(); }

  Json State() const;
  void Load(const Json& state);

 private:
  RunFolder& folder_;
  EventWriter events_;
  std::unique_ptr<Progress> progress_;
  StepNumbers window_;  // sums
  int64_t count_ = 0;
};

}  // namespace genvinci
