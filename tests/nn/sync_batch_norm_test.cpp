#include "genvinci/nn/sync_batch_norm.h"

#include <gtest/gtest.h>

#include "distributed/rank_bodies.h"
#include "genvinci/distributed/rank_group.h"

namespace genvinci {
namespace sync_batch_norm_test {

// What torch's own layer gives for the whole batch, with gradients of a loss in which every value counts otherwise.
struct Reference {
  explicit Reference(const torch::Tensor& values, const torch::Tensor& loss_weights, bool affine) {
    x = values.clone().requires_grad_();
    if (affine) {
      weight = torch::linspace(0.5, 2, values.size(1), values.options()).requires_grad_();
      bias = torch::linspace(-1, 1, values.size(1), values.options()).requires_grad_();
    }
    running_mean = torch::zeros({values.size(1)}, values.options());
    running_var = torch::ones({values.size(1)}, values.options());
    y = torch::batch_norm(x, weight, bias, running_mean, running_var, /*training=*/true, /*momentum=*/0.1, /*eps=*/1e-5,
                          /*cudnn_enabled=*/false);
    (y * y * loss_weights).sum().backward();
  }
  torch::Tensor x, y, weight, bias, running_mean, running_var;
};

torch::Tensor Values(bool three_axes) {
  at::manual_seed(3);
  const auto options = torch::TensorOptions().dtype(torch::kFloat64);
  // A mean a thousand times the deviation: what a sum of squares would lose.
  return three_axes ? 1000 + torch::randn({7, 4, 5}, options) : 1000 + torch::randn({7, 4}, options);
}

bool Close(const torch::Tensor& a, const torch::Tensor& b) { return a.allclose(b, 1e-9, 1e-9); }

void ExpectAsTorch(RankGroup& ranks, int64_t first, int64_t rows, double share) {
  for (const bool three_axes : {false, true}) {
    for (const bool affine : {false, true}) {
      const torch::Tensor all = Values(three_axes);
      const torch::Tensor loss_weights = torch::rand_like(all);
      const Reference whole(all, loss_weights, affine);
      const torch::Tensor mine = all.narrow(0, first, rows).clone().requires_grad_();
      SyncBatchNorm norm(torch::nn::BatchNormOptions(4).affine(affine));
      norm->to(torch::kFloat64);
      norm->SetRanks(&ranks);
      norm->SetShare(share);
      if (affine) {
        const torch::NoGradGuard no_grad;
        norm->weight.copy_(whole.weight);
        norm->bias.copy_(whole.bias);
      }
      const torch::Tensor y = norm(mine);
      (share * y * y * loss_weights.narrow(0, first, rows)).sum().backward();
      if (share > 0) {
        EXPECT_TRUE(Close(y, whole.y.narrow(0, first, rows)));
        EXPECT_TRUE(Close(mine.grad(), whole.x.grad().narrow(0, first, rows)));
      } else {
        EXPECT_TRUE(Close(mine.grad(), torch::zeros_like(mine)));
      }
      EXPECT_TRUE(Close(norm->running_mean, whole.running_mean));
      EXPECT_TRUE(Close(norm->running_var, whole.running_var));
      EXPECT_EQ(norm->num_batches_tracked.item<int64_t>(), 1);
      if (!affine) continue;
      // Each rank's part; the sum is the gradient.
      torch::Tensor weight = norm->weight.grad().clone(), bias = norm->bias.grad().clone();
      ranks.Sum(weight);
      ranks.Sum(bias);
      EXPECT_TRUE(Close(weight, whole.weight.grad()));
      EXPECT_TRUE(Close(bias, whole.bias.grad()));
    }
  }
}

void Run(const std::function<void(RankGroup&)>& work) {
  CommonOptions common;
  common.device = "cpu";
  WithRanks({}, common, [&](RankGroup& ranks) {
    work(ranks);
    return Json();
  });
}

RANK_BODY(NormOfTwo) {
  Run([](RankGroup& ranks) { ExpectAsTorch(ranks, ranks.rank() == 0 ? 0 : 3, ranks.rank() == 0 ? 3 : 4, 1); });
}
RANK_BODY(NormWithAnIdleRank) {
  Run([](RankGroup& ranks) {
    const int64_t r = ranks.rank();
    ExpectAsTorch(ranks, r == 0 ? 0 : r == 1 ? 5 : 2, r == 0 ? 5 : r == 1 ? 2 : 1, r == 2 ? 0 : 1);
  });
}

TEST(SyncBatchNorm, OfTwoRanksIsThatOfTheWholeBatch) {
  const TempFolder folder;
  for (const RankEnd& end : StartRanks(folder.path(), {"NormOfTwo", 2})) EXPECT_EQ(end.code, 0) << end.err;
}

TEST(SyncBatchNorm, ARankWithNothingInTheBatchChangesNothing) {
  const TempFolder folder;
  for (const RankEnd& end : StartRanks(folder.path(), {"NormWithAnIdleRank", 3})) EXPECT_EQ(end.code, 0) << end.err;
}

TEST(SyncBatchNorm, AloneIsTorchs) {
  RankGroup alone;
  ExpectAsTorch(alone, 0, 7, 1);
}

TEST(SyncBatchNorm, ItsOwnFormulaHoldsAlone) {
  RankGroup alone;
  const torch::Tensor all = Values(/*three_axes=*/true), loss_weights = torch::rand_like(all);
  const Reference whole(all, loss_weights, /*affine=*/true);
  SyncBatchNorm norm(4);
  norm->to(torch::kFloat64);
  {
    const torch::NoGradGuard no_grad;
    norm->weight.copy_(whole.weight);
    norm->bias.copy_(whole.bias);
  }
  const torch::Tensor x = all.clone().requires_grad_();
  const BatchStatistics batch = StatisticsOverRanks(x, alone);
  const torch::Tensor y = NormaliseOverRanks(x, batch, *norm, alone);
  (y * y * loss_weights).sum().backward();
  EXPECT_TRUE(Close(y, whole.y));
  EXPECT_TRUE(Close(x.grad(), whole.x.grad()));
  EXPECT_TRUE(Close(norm->weight.grad(), whole.weight.grad()));
  EXPECT_TRUE(Close(norm->bias.grad(), whole.bias.grad()));
  EXPECT_EQ(batch.count, 35);
}

// Digits that float32 sums of squares would lose; and what one observation has no statistics for.
TEST(SyncBatchNorm, StandardisesWhatHardlyVaries) {
  SyncBatchNorm norm(torch::nn::BatchNormOptions(3).affine(false).eps(1e-12));
  norm->Standardise();
  const torch::Tensor x = 1 + torch::tensor({{0.0, 1e-4}, {1e-5, 3e-4}, {2e-5, 5e-4}}).t().contiguous();
  const torch::Tensor wide = x.to(torch::kFloat64);
  const torch::Tensor expected = (wide - wide.mean(0)) / (wide.var(0, /*unbiased=*/false) + 1e-12).sqrt();
  EXPECT_TRUE(norm(x).to(torch::kFloat64).allclose(expected, 1e-5, 1e-5));
  const torch::Tensor one = torch::tensor({{3.0f, 4.0f, 5.0f}});
  const torch::Tensor by_running = (one - norm->running_mean) / (norm->running_var + 1e-12).sqrt();
  EXPECT_TRUE(norm(one).allclose(by_running));
}

TEST(SyncBatchNorm, InEvaluationTakesTheRunningStatistics) {
  RankGroup alone;
  SyncBatchNorm norm(4);
  norm->SetRanks(&alone);
  norm->eval();
  const torch::Tensor x = torch::randn({3, 4});
  EXPECT_TRUE(norm(x).allclose(x / std::sqrt(1 + 1e-5)));
}

}  // namespace sync_batch_norm_test
}  // namespace genvinci
