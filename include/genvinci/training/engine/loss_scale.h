#pragma once

#include <cstdint>

#include "genvinci/checkpoint/run_state.h"

namespace genvinci {

// The factor that keeps float16 gradients from vanishing (Micikevicius et al. 2018): halved when they overflow, and
// that update is left out; doubled after 2,000 updates in a row. Of another precision it is 1 and never changes.
class LossScale {
 public:
  static constexpr int64_t kMostSkipped = 25;  // in a row; then training cannot be helped

  explicit LossScale(bool enabled) : enabled_(enabled), scale_(enabled ? 65536 : 1) {}

  bool enabled() const { return enabled_; }
  double scale() const { return scale_; }
  // After a step whose gradients were finite, or not. False: too many in a row were not.
  bool Update(bool finite);

  RunState::LossScale State() const { return {scale_, good_, skipped_}; }
  void Load(const RunState::LossScale& state);

 private:
  bool enabled_;
  double scale_;
  int64_t good_ = 0, skipped_ = 0;  // in a row
};

}  // namespace genvinci
