#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <algorithm>
#include <cstdint>
#include <initializer_list>

#include "guided_step_kernel.h"

namespace genvinci {
namespace {

constexpr int kThreads = 256;
constexpr int64_t kMostBlocks = 4096;
constexpr int kVectorBytes = 16;  // the widest load that a thread has

template <typename T>
struct ComputeType {
  using Type = float;
};
template <>
struct ComputeType<double> {
  using Type = double;
};

template <typename T>
__device__ T Step(T x, T null, T conditional, const GuidedStepArrays& by) {
  using Compute = typename ComputeType<T>::Type;
  const auto from = static_cast<Compute>(null), to = static_cast<Compute>(conditional);
  const Compute guided = from + static_cast<Compute>(by.guidance) * (to - from);
  return static_cast<T>(static_cast<Compute>(by.of_x) * static_cast<Compute>(x) +
                        static_cast<Compute>(by.of_prediction) * guided);
}

template <typename T, int kWidth>
struct alignas(sizeof(T) * kWidth) Pack {
  T values[kWidth];
};

template <typename T, int kWidth>
__global__ void GuidedStepKernel(GuidedStepArrays arrays) {
  using Packed = Pack<T, kWidth>;
  const int64_t start = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  const int64_t stride = static_cast<int64_t>(gridDim.x) * blockDim.x;
  const int64_t packs = arrays.size / kWidth;
  for (int64_t i = start; i < packs; i += stride) {
    const Packed x = static_cast<const Packed*>(arrays.x)[i], null = static_cast<const Packed*>(arrays.null)[i],
                 conditional = static_cast<const Packed*>(arrays.conditional)[i];
    Packed out;
#pragma unroll
    for (int k = 0; k < kWidth; ++k) out.values[k] = Step(x.values[k], null.values[k], conditional.values[k], arrays);
    static_cast<Packed*>(arrays.out)[i] = out;
  }
  // The last few, which fill no pack.
  for (int64_t i = packs * kWidth + start; i < arrays.size; i += stride) {
    static_cast<T*>(arrays.out)[i] = Step(static_cast<const T*>(arrays.x)[i], static_cast<const T*>(arrays.null)[i],
                                          static_cast<const T*>(arrays.conditional)[i], arrays);
  }
}

bool IsAligned(const GuidedStepArrays& arrays) {
  for (const void* array : {arrays.x, arrays.null, arrays.conditional, static_cast<const void*>(arrays.out)}) {
    if (reinterpret_cast<uintptr_t>(array) % kVectorBytes != 0) return false;
  }
  return true;
}

template <typename T, int kWidth>
void Launch(const GuidedStepArrays& arrays, cudaStream_t stream) {
  const int64_t packs = (arrays.size + kWidth - 1) / kWidth;
  const int64_t blocks = std::min((packs + kThreads - 1) / kThreads, kMostBlocks);
  if (blocks == 0) return;
  GuidedStepKernel<T, kWidth><<<static_cast<unsigned>(blocks), kThreads, 0, stream>>>(arrays);
}

template <typename T>
void LaunchOf(const GuidedStepArrays& arrays, cudaStream_t stream) {
  if (IsAligned(arrays)) return Launch<T, kVectorBytes / sizeof(T)>(arrays, stream);
  Launch<T, 1>(arrays, stream);
}

}  // namespace

void LaunchGuidedStep(KernelType type, const GuidedStepArrays& arrays, cudaStream_t stream) {
  switch (type) {
    case KernelType::kDouble:
      return LaunchOf<double>(arrays, stream);
    case KernelType::kFloat:
      return LaunchOf<float>(arrays, stream);
    case KernelType::kHalf:
      return LaunchOf<__half>(arrays, stream);
    case KernelType::kBFloat16:
      return LaunchOf<__nv_bfloat16>(arrays, stream);
  }
}

}  // namespace genvinci
