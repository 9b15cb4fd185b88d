#include "genvinci/training/engine/stop_vote.h"

#include "genvinci/core/signals.h"

namespace genvinci {

void StopVote::Begin(bool time_is_up) {
  votes_ = torch::tensor({static_cast<int64_t>(StopSignal()), static_cast<int64_t>(time_is_up && ranks_.is_main())});
  sum_ = ranks_.MaxAsync(votes_);
}

StopVote::Result StopVote::End() {
  sum_.Wait();
  Result result{static_cast<int>(votes_[0].item<int64_t>()), votes_[1].item<int64_t>() != 0};
  // One process alone needs no one's consent.
  if (ranks_.world() == 1) result.signal = StopSignal();
  return result;
}

}  // namespace genvinci
