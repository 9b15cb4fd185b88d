#include "genvinci/nn/guided_step.h"

#include <ATen/Dispatch.h>
#include <ATen/OpMathType.h>
#include <ATen/TensorIterator.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/library.h>

#include <algorithm>

#include "genvinci/core/error.h"
#ifdef GENVINCI_CUDA
#include "guided_step_cuda.h"
#endif

namespace genvinci {
namespace {

// `data` and `strides` (bytes): of the result, x, null and conditional.
template <typename T>
void StepRow(char** data, const int64_t* strides, int64_t size, const GuidedStepWeights& weights) {
  using Compute = at::opmath_type<T>;
  const auto guidance = static_cast<Compute>(weights.guidance), of_x = static_cast<Compute>(weights.of_x),
             of_prediction = static_cast<Compute>(weights.of_prediction);
  const auto step = [=](Compute x, Compute null, Compute conditional) {
    return static_cast<T>(of_x * x + of_prediction * (null + guidance * (conditional - null)));
  };
  if (std::all_of(strides, strides + 4, [](int64_t stride) { return stride == sizeof(T); })) {
    // Bare arrays are what the compiler turns into vector instructions.
    T* const C10_RESTRICT out = reinterpret_cast<T*>(data[0]);
    const T* const x = reinterpret_cast<const T*>(data[1]);
    const T* const null = reinterpret_cast<const T*>(data[2]);
    const T* const conditional = reinterpret_cast<const T*>(data[3]);
    for (int64_t i = 0; i < size; ++i) out[i] = step(x[i], null[i], conditional[i]);
    return;
  }
  const auto at = [&](int operand, int64_t i) { return reinterpret_cast<T*>(data[operand] + i * strides[operand]); };
  for (int64_t i = 0; i < size; ++i) *at(0, i) = step(*at(1, i), *at(2, i), *at(3, i));
}

torch::Tensor GuidedStepCpu(const torch::Tensor& x, const torch::Tensor& null, const torch::Tensor& conditional,
                            double guidance, double of_x, double of_prediction) {
  torch::Tensor out = torch::empty_like(conditional, x.options());
  auto iterator = at::TensorIteratorConfig()
                      .add_output(out)
                      .add_const_input(x)
                      .add_const_input(null)
                      .add_const_input(conditional)
                      .build();
  const GuidedStepWeights weights{guidance, of_x, of_prediction};
  AT_DISPATCH_FLOATING_TYPES_AND2(at::kHalf, at::kBFloat16, x.scalar_type(), "guided_step", [&] {
    iterator.for_each(
        [&](char** data, const int64_t* strides, int64_t size) { StepRow<scalar_t>(data, strides, size, weights); });
  });
  return out;
}

using Operator = torch::Tensor(const torch::Tensor&, const torch::Tensor&, const torch::Tensor&, double, double,
                               double);

TORCH_LIBRARY(genvinci, library) {
  library.def(
      "guided_step(Tensor x, Tensor null, Tensor conditional, float guidance, float of_x, float of_prediction) -> "
      "Tensor");
}

TORCH_LIBRARY_IMPL(genvinci, CPU, library) { library.impl("guided_step", &GuidedStepCpu); }

// Here rather than beside the kernel, whose object file the linker would leave in its archive.
#ifdef GENVINCI_CUDA
TORCH_LIBRARY_IMPL(genvinci, CUDA, library) { library.impl("guided_step", &GuidedStepCuda); }
#endif

}  // namespace

torch::Tensor GuidedStep(const torch::Tensor& x_BCHW, const torch::Tensor& null_BCHW,
                         const torch::Tensor& conditional_BCHW, const GuidedStepWeights& weights) {
  for (const torch::Tensor& prediction : {null_BCHW, conditional_BCHW}) {
    GENVINCI_CHECK(prediction.sizes() == x_BCHW.sizes() && prediction.device() == x_BCHW.device(),
                   "a prediction of {} numbers on {}, for x of {} on {}", prediction.numel(), prediction.device().str(),
                   x_BCHW.numel(), x_BCHW.device().str());
  }
  const at::MemoryFormat layout = conditional_BCHW.suggest_memory_format();
  const auto alike = [&](const torch::Tensor& values) { return values.to(x_BCHW.scalar_type()).contiguous(layout); };
  static const auto step =
      c10::Dispatcher::singleton().findSchemaOrThrow("genvinci::guided_step", "").typed<Operator>();
  return step.call(alike(x_BCHW), alike(null_BCHW), alike(conditional_BCHW), weights.guidance, weights.of_x,
                   weights.of_prediction);
}

}  // namespace genvinci
