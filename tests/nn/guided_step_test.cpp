#include "genvinci/nn/guided_step.h"

#include <ATen/core/dispatch/Dispatcher.h>
#include <gtest/gtest.h>

#include "genvinci/core/error.h"
#include "testing/gpu.h"
#include "testing/tensors.h"

namespace genvinci {
namespace guided_step_test {

constexpr GuidedStepWeights kWeights{.guidance = 3.5, .of_x = 1.25, .of_prediction = -0.375};

struct StepInputs {
  torch::Tensor x, null, conditional;

  StepInputs To(torch::TensorOptions options) const {
    return {x.to(options), null.to(options), conditional.to(options)};
  }
  torch::Tensor Step() const { return GuidedStep(x, null, conditional, kWeights); }
  // The chain of operators, in double precision.
  torch::Tensor Chain() const {
    const StepInputs exact = To(torch::kFloat64);
    return kWeights.of_x * exact.x +
           kWeights.of_prediction * (exact.null + kWeights.guidance * (exact.conditional - exact.null));
  }
};

// As sampling has them: two halves of one prediction.
StepInputs Random(const std::vector<int64_t>& shape) {
  torch::manual_seed(3);
  std::vector<int64_t> both = shape;
  both[0] *= 2;
  const std::vector<torch::Tensor> halves = torch::randn(both, torch::kFloat64).chunk(2);
  return {torch::randn(shape, torch::kFloat64), halves[0], halves[1]};
}

double Tolerance(torch::ScalarType type) {
  if (type == torch::kFloat64) return 4e-15;
  if (type == torch::kFloat32) return 1e-6;
  return type == torch::kFloat16 ? 1e-3 : 8e-3;  // one rounding, of the result
}

const torch::ScalarType kTypes[] = {torch::kFloat64, torch::kFloat32, torch::kFloat16, torch::kBFloat16};
// Longer than a thread's share, of no whole number of vectors, of one number, and empty.
const std::vector<int64_t> kShapes[] = {{3, 4, 64, 64}, {3, 5, 7, 3}, {1, 1, 1, 1}, {0, 4, 8, 8}};

TEST(GuidedStep, EqualsTheChainOfOperators) {
  for (const torch::ScalarType type : kTypes) {
    for (const std::vector<int64_t>& shape : kShapes) {
      const StepInputs inputs = Random(shape).To(type);
      const torch::Tensor made = inputs.Step(), expected = inputs.Chain();
      EXPECT_EQ(made.scalar_type(), type);
      EXPECT_EQ(made.sizes(), expected.sizes());
      if (made.numel() > 0) {
        EXPECT_LE(RelativeDifference(made, expected), Tolerance(type)) << type << " " << shape;
      }
    }
  }
}

TEST(GuidedStep, TakesTheLayoutOfThePrediction) {
  const StepInputs inputs = Random({2, 4, 6, 5});
  StepInputs mixed = inputs;
  mixed.null = inputs.null.transpose(2, 3).contiguous().transpose(2, 3);
  mixed.conditional = inputs.conditional.contiguous(at::MemoryFormat::ChannelsLast);
  EXPECT_TRUE(torch::equal(mixed.Step(), inputs.Step()));
  EXPECT_TRUE(mixed.Step().is_contiguous(at::MemoryFormat::ChannelsLast));
  EXPECT_TRUE(inputs.Step().is_contiguous());
}

// The operator itself, asked with what GuidedStep would have laid out alike.
TEST(GuidedStep, ReadsGapsAndStrides) {
  const StepInputs inputs = Random({2, 4, 6, 8});
  const auto every_other = [](const torch::Tensor& values) { return values.slice(3, 0, 8, 2); };
  const auto step = c10::Dispatcher::singleton()
                        .findSchemaOrThrow("genvinci::guided_step", "")
                        .typed<torch::Tensor(const torch::Tensor&, const torch::Tensor&, const torch::Tensor&, double,
                                             double, double)>();
  const torch::Tensor made = step.call(every_other(inputs.x), every_other(inputs.null), every_other(inputs.conditional),
                                       kWeights.guidance, kWeights.of_x, kWeights.of_prediction);
  EXPECT_TRUE(torch::allclose(made, every_other(inputs.Chain()), 1e-14, 1e-14));
}

TEST(GuidedStep, WorksInTheTypeOfX) {
  StepInputs inputs = Random({2, 4, 6, 5}).To(torch::kFloat32);
  inputs.null = inputs.null.to(torch::kBFloat16);
  inputs.conditional = inputs.conditional.to(torch::kBFloat16);
  EXPECT_EQ(inputs.Step().scalar_type(), torch::kFloat32);
  EXPECT_LE(RelativeDifference(inputs.Step(), inputs.Chain()), Tolerance(torch::kFloat32));
}

TEST(GuidedStep, RefusesOtherShapes) {
  StepInputs inputs = Random({2, 4, 6, 5});
  inputs.null = inputs.null.slice(0, 0, 1);
  EXPECT_THROW(inputs.Step(), InternalError);
}

#ifdef GENVINCI_CUDA
TEST(GuidedStep, HasAKernelForCuda) {
  const auto step = c10::Dispatcher::singleton().findSchemaOrThrow("genvinci::guided_step", "");
  EXPECT_TRUE(step.hasKernelForDispatchKey(c10::DispatchKey::CUDA));
}
#endif

TEST(GpuGuidedStep, EqualsTheCpu) {
  GENVINCI_NEEDS_GPU();
  for (const torch::ScalarType type : kTypes) {
    for (const std::vector<int64_t>& shape : kShapes) {
      for (const auto layout : {at::MemoryFormat::Contiguous, at::MemoryFormat::ChannelsLast}) {
        StepInputs inputs = Random(shape).To(type);
        inputs.conditional = inputs.conditional.contiguous(layout);
        const torch::Tensor made = inputs.To(torch::kCUDA).Step(), expected = inputs.Step();
        EXPECT_TRUE(made.is_cuda() && made.is_contiguous(layout));
        if (made.numel() > 0) {
          EXPECT_LE(RelativeDifference(made.cpu(), expected), Tolerance(type)) << type << " " << shape;
        }
      }
    }
  }
}

// Nothing begins where a vector load may.
TEST(GpuGuidedStep, ReadsUnalignedMemory) {
  GENVINCI_NEEDS_GPU();
  const auto shifted = [](const torch::Tensor& values) {
    return torch::cat({torch::zeros({1}, values.options()), values.flatten()}).to(torch::kCUDA).slice(0, 1);
  };
  const StepInputs inputs = Random({2, 4, 7, 5}).To(torch::kFloat32);
  const StepInputs moved{shifted(inputs.x), shifted(inputs.null), shifted(inputs.conditional)};
  EXPECT_LE(RelativeDifference(moved.Step().cpu(), inputs.Step().flatten()), Tolerance(torch::kFloat32));
}

}  // namespace guided_step_test
}  // namespace genvinci
