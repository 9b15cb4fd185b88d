#include "genvinci/tensor/captured.h"

#include <gtest/gtest.h>

#include "genvinci/core/error.h"
#include "testing/gpu.h"

namespace genvinci {
namespace captured_test {

using Inputs = std::vector<torch::Tensor>;

// Counts how often its kernels are launched one by one.
struct Affine {
  torch::Tensor scale;
  int launches = 0;

  CapturedFunction::Function Function() {
    return [this](const Inputs& inputs) {
      ++launches;
      return inputs[0] * scale + inputs[1];
    };
  }
};

TEST(CapturedFunction, CallsPlainlyOnTheCpu) {
  for (const bool capture : {true, false}) {
    Affine affine{torch::full({3}, 2.0)};
    CapturedFunction captured(affine.Function(), capture);
    for (int i = 1; i <= 3; ++i) {
      const torch::Tensor made = captured({torch::full({2, 3}, double(i)), torch::ones({3})});
      EXPECT_TRUE(torch::equal(made, torch::full({2, 3}, 2.0 * i + 1)));
      EXPECT_EQ(affine.launches, i);
    }
  }
}

TEST(GpuCapturedFunction, ReplaysWhatAPlainCallMakes) {
  GENVINCI_NEEDS_GPU();
  Affine affine{torch::full({3}, 2.0, torch::kCUDA)};
  CapturedFunction captured(affine.Function());
  Inputs made;
  for (int i = 1; i <= 4; ++i) {
    made.push_back(captured({torch::full({2, 3}, double(i), torch::kCUDA), torch::ones({3}, torch::kCUDA)}));
  }
  EXPECT_EQ(affine.launches, 2);  // the plain call and the recording
  // Looked at last: a replay must not write over the results before it.
  for (int i = 1; i <= 4; ++i) {
    EXPECT_TRUE(torch::equal(made[static_cast<size_t>(i - 1)].cpu(), torch::full({2, 3}, 2.0 * i + 1))) << i;
  }
}

TEST(GpuCapturedFunction, RefusesOtherShapes) {
  GENVINCI_NEEDS_GPU();
  Affine affine{torch::full({3}, 2.0, torch::kCUDA)};
  CapturedFunction captured(affine.Function());
  captured({torch::ones({2, 3}, torch::kCUDA), torch::ones({3}, torch::kCUDA)});
  EXPECT_THROW(captured({torch::ones({4, 3}, torch::kCUDA), torch::ones({3}, torch::kCUDA)}), InternalError);
}

TEST(GpuCapturedFunction, CallsPlainlyWhereItIsTurnedOff) {
  GENVINCI_NEEDS_GPU();
  Affine affine{torch::full({3}, 2.0, torch::kCUDA)};
  CapturedFunction captured(affine.Function(), /*capture=*/false);
  for (int i = 0; i < 4; ++i) captured({torch::ones({2, 3}, torch::kCUDA), torch::ones({3}, torch::kCUDA)});
  EXPECT_EQ(affine.launches, 4);
}

}  // namespace captured_test
}  // namespace genvinci
