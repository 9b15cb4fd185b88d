#pragma once

#include <torch/torch.h>

namespace genvinci {

// Processes whose batches count as one: what a layer needs of them that looks at whole batches. RankGroup is one.
class BatchReducer {
 public:
  virtual ~BatchReducer() = default;
  virtual int world() const = 0;
  // In place, over all processes, alike on each to the last bit. Contiguous.
  virtual void Sum(torch::Tensor& values) = 0;
  // (W, ...): each process's, which all have one shape.
  virtual torch::Tensor Gather(const torch::Tensor& values) = 0;
};

// One process by itself.
class AloneReducer : public BatchReducer {
 public:
  int world() const override { return 1; }
  void Sum(torch::Tensor&) override {}
  torch::Tensor Gather(const torch::Tensor& values) override { return values.unsqueeze(0); }
};

}  // namespace genvinci
