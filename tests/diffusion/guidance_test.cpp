#include "genvinci/diffusion/guidance.h"

#include <gtest/gtest.h>

#include <cmath>

namespace genvinci {
namespace guidance_test {

const torch::Tensor kNull = torch::tensor({1.0, 2.0, 4.0, 8.0, 0.0, 0.0, 1.0, 1.0}).view({2, 1, 2, 2});
const torch::Tensor kConditional = torch::tensor({1.0, 3.0, 5.0, 7.0, 1.0, 2.0, 3.0, 5.0}).view({2, 1, 2, 2});

TEST(Guidance, GoesPastTheConditionalPrediction) {
  const torch::Tensor guided = Guided(kNull, kConditional, 3, 0);
  const torch::Tensor expected = torch::tensor({1.0, 5.0, 7.0, 5.0, 3.0, 6.0, 7.0, 13.0}).view({2, 1, 2, 2});
  EXPECT_TRUE(torch::equal(guided, expected));
}

// By hand for the first item: c = 1, 3, 5, 7 has variance 20 / 3; the guided 1, 5, 7, 5 has variance 19 / 3. For the
// second: 1, 2, 3, 5 has 35 / 12, and 3, 6, 7, 13 has 211 / 12.
TEST(Guidance, RescalesEachItemToTheDeviationOfTheConditionalPrediction) {
  const torch::Tensor guided = Guided(kNull, kConditional, 3, 0);
  const double first = std::sqrt(20.0 / 19.0), second = std::sqrt((35.0 / 12) / (211.0 / 12));
  const torch::Tensor factors = torch::tensor({first, second}).view({2, 1, 1, 1});
  EXPECT_TRUE(torch::allclose(Guided(kNull, kConditional, 3, 1), guided * factors, 1e-6));
  EXPECT_TRUE(torch::allclose(Guided(kNull, kConditional, 3, 0.7), guided * (0.7 * factors + 0.3), 1e-6));
}

TEST(Guidance, OfOneIsTheConditionalPrediction) {
  EXPECT_TRUE(torch::allclose(Guided(kNull, kConditional, 1, 0.7), kConditional, 1e-6));
}

}  // namespace guidance_test
}  // namespace genvinci
