#include "genvinci/distributed/gradient_reducer.h"

#include <gtest/gtest.h>

#include "distributed/rank_bodies.h"

namespace genvinci {
namespace gradient_reducer_test {

void Run(const std::function<void(RankGroup&)>& work) {
  CommonOptions common;
  common.device = "cpu";
  common.threads = 1;
  WithRanks({}, common, [&](RankGroup& ranks) {
    work(ranks);
    return Json();
  });
}

struct Network {
  Network() {
    at::manual_seed(1);
    first = torch::nn::Linear(5, 7);
    second = torch::nn::Linear(7, 3);
    sometimes = torch::ones({3}, torch::requires_grad());
    never = torch::ones({2}, torch::requires_grad());
  }
  NamedTensors Parameters() const {
    return {{"a", first->weight},  {"b", first->bias},  {"never", never},
            {"c", second->weight}, {"d", second->bias}, {"sometimes", sometimes}};
  }
  torch::Tensor Loss(const torch::Tensor& x_BF, bool with_sometimes) {
    const torch::Tensor out = second(torch::tanh(first(x_BF)));
    return (with_sometimes ? out * sometimes : out).square().sum();
  }
  torch::nn::Linear first{nullptr}, second{nullptr};
  torch::Tensor sometimes, never;
};

// Two ranks with two batches each against one process with all four; a bucket holds a parameter or all.
RANK_BODY(Reduce) {
  Run([](RankGroup& ranks) {
    at::manual_seed(2);
    const torch::Tensor x_SBF = torch::randn({4, 6, 5});
    Network whole;
    for (int64_t s = 0; s < 4; ++s) whole.Loss(x_SBF[s], /*with_sometimes=*/s >= 2).backward();
    for (const int64_t bytes : {1, 100, 1 << 20}) {
      Network mine;
      GradientReducer reducer(mine.Parameters(), ranks, bytes);
      EXPECT_EQ(reducer.bytes(), 4 * (5 * 7 + 7 + 2 + 7 * 3 + 3 + 3));
      for (int round = 0; round < 2; ++round) {
        for (const auto& [name, parameter] : mine.Parameters()) parameter.mutable_grad().reset();
        const int64_t first = 2 * ranks.rank();
        mine.Loss(x_SBF[first], ranks.rank() == 1).backward();
        reducer.Begin();
        mine.Loss(x_SBF[first + 1], ranks.rank() == 1).backward();
        reducer.Finish();
        for (size_t i = 0; i < mine.Parameters().size(); ++i) {
          const auto [name, parameter] = mine.Parameters()[i];  // a copy: the list is gone after the line
          const torch::Tensor expected = whole.Parameters()[i].second.grad();
          ASSERT_EQ(parameter.grad().defined(), name != "never") << name;
          if (name == "never") continue;
          EXPECT_TRUE(parameter.grad().allclose(expected, 1e-5, 1e-6)) << name << " bucket " << bytes;
          // To the last bit on every rank.
          const torch::Tensor all = ranks.Gather(parameter.grad());
          EXPECT_TRUE(all[0].equal(all[1])) << name;
        }
      }
    }
  });
}

TEST(GradientReducer, SumsOverRanksAndPasses) {
  const TempFolder folder;
  for (const RankEnd& end : StartRanks(folder.path(), {"Reduce", 2})) EXPECT_EQ(end.code, 0) << end.err;
}

TEST(GradientReducer, AloneLeavesGradientsAsTheyAre) {
  RankGroup alone;
  Network network;
  GradientReducer reducer(network.Parameters(), alone);
  reducer.Begin();
  network.Loss(torch::ones({1, 5}), /*with_sometimes=*/true).backward();
  const torch::Tensor before = network.first->weight.grad().clone();
  reducer.Finish();
  EXPECT_TRUE(network.first->weight.grad().equal(before));
  EXPECT_EQ(reducer.bytes(), 0);
}

}  // namespace gradient_reducer_test
}  // namespace genvinci
