#pragma once

#include <torch/torch.h>

#include <string>

namespace genvinci {

// "cpu", "cuda", "cuda:N", "auto" (CUDA where there is one). ConfigError (DEVICE) when it is not there.
torch::Device OpenDevice(const std::string& name);
// Compute threads; 0 keeps all cores. Also makes kernels deterministic.
void SetUpCompute(int64_t threads);

}  // namespace genvinci
