#include <ATen/cuda/CUDAEvent.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAGuard.h>

#include "captured_graph.h"
#include "genvinci/core/error.h"

namespace genvinci {

CapturedFunction::Graph::Graph(const std::vector<torch::Tensor>& inputs)
    : side_(c10::cuda::getStreamFromPool(/*isHighPriority=*/false, inputs.at(0).device().index())) {
  for (const torch::Tensor& input : inputs) inputs_.push_back(torch::empty_like(input));
}

torch::Tensor CapturedFunction::Graph::Call(const Function& function, const std::vector<torch::Tensor>& inputs) {
  const c10::cuda::CUDAGuard device(inputs_[0].device());
  CopyInputs(inputs);
  if (calls_++ == 0) {
    torch::Tensor result;
    // On the stream that is captured later, since libraries keep their workspaces by stream.
    OnSideStream([&] { result = function(inputs_); });
    return result.clone();
  }
  if (!output_.defined()) Capture(function);
  graph_.replay();
  // The next replay writes over the output.
  return output_.clone();
}

void CapturedFunction::Graph::CopyInputs(const std::vector<torch::Tensor>& inputs) {
  GENVINCI_CHECK(inputs.size() == inputs_.size(), "{} inputs, the first call had {}", inputs.size(), inputs_.size());
  for (size_t i = 0; i < inputs.size(); ++i) {
    GENVINCI_CHECK(inputs[i].sizes() == inputs_[i].sizes(), "input {} has {} numbers, in the first call it had {}", i,
                   inputs[i].numel(), inputs_[i].numel());
    inputs_[i].copy_(inputs[i], /*non_blocking=*/true);
  }
}

void CapturedFunction::Graph::Capture(const Function& function) {
  // A graph's memory is a pool of its own, which the allocator would keep once the graph is gone.
  c10::cuda::CUDACachingAllocator::emptyCache();
  OnSideStream([&] {
    // Other threads, NCCL's watchdog among them, may go on calling CUDA.
    graph_.capture_begin(/*pool=*/{0, 0}, cudaStreamCaptureModeThreadLocal);
    output_ = function(inputs_);
    graph_.capture_end();
  });
}

void CapturedFunction::Graph::OnSideStream(const std::function<void()>& work) {
  const c10::cuda::CUDAStream current = c10::cuda::getCurrentCUDAStream();
  at::cuda::CUDAEvent before, after;
  before.record(current);
  before.block(side_);
  {
    const c10::cuda::CUDAStreamGuard on_side(side_);
    work();
  }
  after.record(side_);
  after.block(current);
}

}  // namespace genvinci
