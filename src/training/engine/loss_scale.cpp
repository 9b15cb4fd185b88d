#include "genvinci/training/engine/loss_scale.h"

#include <algorithm>

namespace genvinci {
namespace {

constexpr int64_t kGrowthSteps = 2000;
constexpr double kLargest = 16777216;

}  // namespace

bool LossScale::Update(bool finite) {
  if (!enabled_) return true;
  skipped_ = finite ? 0 : skipped_ + 1;
  good_ = finite ? good_ + 1 : 0;
  if (!finite) scale_ = std::max(1.0, scale_ / 2);
  if (good_ == kGrowthSteps) {
    scale_ = std::min(kLargest, 2 * scale_);
    good_ = 0;
  }
  return skipped_ < kMostSkipped;
}

void LossScale::Load(const RunState::LossScale& state) {
  if (!enabled_) return;
  scale_ = state.scale;
  good_ = state.good;
  skipped_ = state.skipped;
}

}  // namespace genvinci
