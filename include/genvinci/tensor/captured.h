#pragma once

#include <torch/torch.h>

#include <functional>
#include <memory>
#include <vector>

namespace genvinci {

// A function of tensors that is called many times with inputs of the same shapes. On a CUDA device the second call
// records the kernels in a CUDA graph, and it and those after replay them: thousands of launches become one. The first
// call is a plain one, in which libraries set themselves up. Elsewhere every call is a plain one.
//
// What is captured must do the same whatever the values of its inputs, never wait for the device, and read besides the
// inputs only memory that stays where it is as long as this lives.
class CapturedFunction {
 public:
  using Function = std::function<torch::Tensor(const std::vector<torch::Tensor>& inputs)>;

  // Without `capture` every call is a plain one everywhere.
  explicit CapturedFunction(Function function, bool capture = true);
  ~CapturedFunction();

  // The result is the caller's own. `inputs`: at least one, all on one device; InternalError where their shapes are not
  // those of the first call, once that has been captured.
  torch::Tensor operator()(const std::vector<torch::Tensor>& inputs);

 private:
  class Graph;

  Function function_;
  bool capture_;
  std::unique_ptr<Graph> graph_;
};

}  // namespace genvinci
