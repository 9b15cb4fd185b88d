#pragma once

#include <torch/torch.h>

namespace genvinci {

// Metrics are computed in double precision, on the CPU.
inline torch::Tensor Doubles(const torch::Tensor& values) { return values.detach().cpu().to(torch::kFloat64); }

}  // namespace genvinci
