#pragma once

#include <torch/torch.h>

#include <string>

namespace genvinci {

// "cpu", "cuda", "cuda:N", "auto" (CUDA where there is one). ConfigError (DEVICE) when it is not there.
torch::Device OpenDevice(const std::string& name);
// A copy on the device, or the tensor itself where it lies there. To a CUDA device the copy goes through pinned memory
// and is not waited for: work that is put on the current stream afterwards sees it. A tensor that is pinned already
// must not be written to until then.
torch::Tensor ToDevice(const torch::Tensor& tensor, torch::Device device);
// Compute threads; 0 keeps all cores. Also makes kernels deterministic.
void SetUpCompute(int64_t threads);

}  // namespace genvinci
