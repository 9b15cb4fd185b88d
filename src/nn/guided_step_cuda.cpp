#include "guided_step_cuda.h"

#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include "genvinci/core/error.h"
#include "guided_step_kernel.h"

namespace genvinci {
namespace {

KernelType TypeOf(torch::ScalarType type) {
  switch (type) {
    case torch::kFloat64:
      return KernelType::kDouble;
    case torch::kFloat32:
      return KernelType::kFloat;
    case torch::kFloat16:
      return KernelType::kHalf;
    case torch::kBFloat16:
      return KernelType::kBFloat16;
    default:
      throw InternalError("KERNEL_TYPE", "guided_step: no kernel for {}", c10::toString(type));
  }
}

void RequireAlike(const torch::Tensor& one, const torch::Tensor& other) {
  const at::MemoryFormat layout = one.suggest_memory_format();
  GENVINCI_CHECK(one.is_contiguous(layout) && other.is_contiguous(layout) && one.sizes() == other.sizes() &&
                     one.scalar_type() == other.scalar_type() && one.device() == other.device(),
                 "guided_step: its tensors are not laid out alike");
}

}  // namespace

torch::Tensor GuidedStepCuda(const torch::Tensor& x, const torch::Tensor& null, const torch::Tensor& conditional,
                             double guidance, double of_x, double of_prediction) {
  RequireAlike(conditional, x);
  RequireAlike(conditional, null);
  const c10::cuda::CUDAGuard device(x.device());
  torch::Tensor out = torch::empty_like(conditional);
  const GuidedStepArrays arrays{.x = x.const_data_ptr(),
                                .null = null.const_data_ptr(),
                                .conditional = conditional.const_data_ptr(),
                                .out = out.data_ptr(),
                                .size = x.numel(),
                                .guidance = guidance,
                                .of_x = of_x,
                                .of_prediction = of_prediction};
  LaunchGuidedStep(TypeOf(x.scalar_type()), arrays, c10::cuda::getCurrentCUDAStream());
  C10_CUDA_KERNEL_LAUNCH_CHECK();
  return out;
}

}  // namespace genvinci
