#pragma once

#include <torch/torch.h>

#include <memory>
#include <vector>

#include "genvinci/distributed/rank_group.h"
#include "genvinci/tensor/convert.h"

namespace genvinci {

// Sums the gradients of all ranks while the backward pass still runs: parameters are put into buckets, last ones first,
// as that is about the order in which their gradients become ready, and a full bucket is on its way while earlier
// layers compute (Li et al. 2020, "PyTorch Distributed"). Buckets go out in one order on every rank. Of one rank alone:
// nothing happens.
class GradientReducer {
 public:
  static constexpr int64_t kBucketBytes = 25 << 20;

  GradientReducer(const NamedTensors& parameters, RankGroup& ranks, int64_t bucket_bytes = kBucketBytes);
  ~GradientReducer();
  GradientReducer(const GradientReducer&) = delete;
  GradientReducer& operator=(const GradientReducer&) = delete;

  // The next backward pass is the last one of its step; the passes before only add up on each rank.
  void Begin();
  // Waits for all sums. A parameter that has a gradient on one rank has the sum on all; one that has it on none stays
  // without.
  void Finish();

  // Bytes that a step sends through one all-reduce.
  int64_t bytes() const;

 private:
  struct State;
  std::shared_ptr<State> state_;  // the parameters' hooks hold it too
};

}  // namespace genvinci
