#pragma once

#include "genvinci/tensor/captured.h"
#ifdef GENVINCI_CUDA
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDAStream.h>
#endif

namespace genvinci {

#ifdef GENVINCI_CUDA
// The inputs' memory, the graph that reads it, and where the graph leaves its result.
class CapturedFunction::Graph {
 public:
  explicit Graph(const std::vector<torch::Tensor>& inputs);

  torch::Tensor Call(const Function& function, const std::vector<torch::Tensor>& inputs);

 private:
  void CopyInputs(const std::vector<torch::Tensor>& inputs);
  void Capture(const Function& function);
  // What `work` puts on the side stream comes after all that is on the current stream and before all that will be.
  void OnSideStream(const std::function<void()>& work);

  c10::cuda::CUDAStream side_;
  std::vector<torch::Tensor> inputs_;
  torch::Tensor output_;
  at::cuda::CUDAGraph graph_;
  int64_t calls_ = 0;
};
#else
class CapturedFunction::Graph {};
#endif

}  // namespace genvinci
