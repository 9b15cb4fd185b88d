#pragma once

#include <torch/torch.h>

#include "genvinci/distributed/rank_group.h"

namespace genvinci {

// Ranks agree on when to stop: a signal may reach some of them only, and their clocks differ. The question goes round
// while a batch is computed, so that nobody waits for the answer.
class StopVote {
 public:
  struct Result {
    int signal = 0;  // 0: none came
    bool time_is_up = false;
  };

  explicit StopVote(RankGroup& ranks) : ranks_(ranks) {}
  // The main rank's clock counts.
  void Begin(bool time_is_up);
  Result End();

 private:
  RankGroup& ranks_;
  torch::Tensor votes_;
  RankGroup::Pending sum_;
};

}  // namespace genvinci
