#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

namespace genvinci {

// What nvcc compiles knows no torch.
enum class KernelType { kDouble, kFloat, kHalf, kBFloat16 };

// Arrays of `size` numbers of one type on the current device, all in one order.
struct GuidedStepArrays {
  const void *x, *null, *conditional;
  void* out;
  int64_t size;
  double guidance, of_x, of_prediction;
};

// Puts the work on `stream`; an error is left for cudaGetLastError.
void LaunchGuidedStep(KernelType type, const GuidedStepArrays& arrays, cudaStream_t stream);

}  // namespace genvinci
