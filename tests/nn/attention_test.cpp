#include "genvinci/nn/attention.h"

#include <gtest/gtest.h>

#include <cmath>

#include "testing/tensors.h"

namespace genvinci {
namespace attention_test {

// softmax(q k^T / sqrt(d)) v, head by head, in float64.
torch::Tensor AttendByFormula(const torch::Tensor& q, const torch::Tensor& k, const torch::Tensor& v, int64_t heads,
                              const torch::Tensor& real_BL) {
  std::vector<torch::Tensor> parts;
  const int64_t width = q.size(2) / heads;
  for (int64_t h = 0; h < heads; ++h) {
    const auto part = [&](const torch::Tensor& x) {
      return x.slice(2, h * width, (h + 1) * width).to(torch::kFloat64);
    };
    const torch::Tensor scores = torch::matmul(part(q), part(k).transpose(1, 2)) / std::sqrt(double(width));
    const torch::Tensor weights = scores.exp() * real_BL.unsqueeze(1).to(torch::kFloat64);
    parts.push_back(torch::matmul(weights / weights.sum(2, true), part(v)));
  }
  return torch::cat(parts, 2);
}

TEST(Attend, FollowsTheFormula) {
  const torch::Tensor q = torch::randn({2, 7, 12}), k = torch::randn({2, 5, 12}), v = torch::randn({2, 5, 12});
  const torch::Tensor tokens = torch::tensor({{4, 9, 2, 0, 0}, {1, 1, 1, 1, 1}});
  const torch::Tensor all = torch::ones_like(tokens);
  EXPECT_LT(RelativeDifference(Attend(q, k, v, {3, {}, 0}), AttendByFormula(q, k, v, 3, all)), 1e-5);
  const torch::Tensor mask = PaddingMask(tokens, torch::kFloat32);
  EXPECT_EQ(mask.sizes(), (std::vector<int64_t>{2, 1, 1, 5}));
  const torch::Tensor masked = Attend(q, k, v, {3, mask, 0});
  EXPECT_LT(RelativeDifference(masked, AttendByFormula(q, k, v, 3, tokens != 0)), 1e-5);
  // A bool mask says the same.
  const torch::Tensor bools = (tokens != 0).unsqueeze(1).unsqueeze(1);
  EXPECT_LT(RelativeDifference(Attend(q, k, v, {3, bools, 0}), masked), 1e-6);
}

TEST(Attend, StaysFiniteWhereAllIsPadding) {
  const torch::Tensor x = torch::randn({1, 4, 8}).requires_grad_();
  const torch::Tensor tokens = torch::zeros({1, 4}, torch::kInt64);
  const torch::Tensor out = Attend(x, x, x, {2, PaddingMask(tokens, torch::kFloat32), 0});
  EXPECT_TRUE(out.isfinite().all().item<bool>());
  out.sum().backward();
  EXPECT_TRUE(x.grad().isfinite().all().item<bool>());
}

TEST(PaddingMask, FitsHalfPrecision) {
  const torch::Tensor tokens = torch::tensor({{3, 0}});
  for (const auto dtype : {torch::kFloat16, torch::kBFloat16}) {
    EXPECT_TRUE(PaddingMask(tokens, dtype).isfinite().all().item<bool>());
  }
}

}  // namespace attention_test
}  // namespace genvinci
