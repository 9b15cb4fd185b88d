#include "genvinci/tensor/captured.h"

#include <utility>

#include "captured_graph.h"

namespace genvinci {

CapturedFunction::CapturedFunction(Function function, bool capture)
    : function_(std::move(function)), capture_(capture) {}

CapturedFunction::~CapturedFunction() = default;

torch::Tensor CapturedFunction::operator()(const std::vector<torch::Tensor>& inputs) {
#ifdef GENVINCI_CUDA
  if (capture_ && inputs.at(0).is_cuda()) {
    if (!graph_) graph_ = std::make_unique<Graph>(inputs);
    return graph_->Call(function_, inputs);
  }
#endif
  return function_(inputs);
}

}  // namespace genvinci
