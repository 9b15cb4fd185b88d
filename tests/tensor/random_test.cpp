#include "genvinci/tensor/random.h"

#include <gtest/gtest.h>

#include <set>

namespace genvinci {
namespace random_test {

torch::Tensor Draw(torch::Generator generator, int64_t count = 64) { return torch::randn({count}, generator); }

TEST(RandomStream, EqualPartsGiveEqualNumbers) {
  torch::randn({17});  // the global generator plays no part
  const torch::Tensor a = Draw(RandomStream(7, "noise", {1, 2}));
  torch::randn({5});
  EXPECT_TRUE(torch::equal(a, Draw(RandomStream(7, "noise", {1, 2}))));
}

TEST(RandomStream, EveryPartMatters) {
  const torch::Tensor a = Draw(RandomStream(7, "noise", {1, 2}));
  for (const auto& other :
       {RandomStream(8, "noise", {1, 2}), RandomStream(7, "order", {1, 2}), RandomStream(7, "noise", {2, 1}),
        RandomStream(7, "noise", {1}), RandomStream(7, "noise", {1, 2, 0})}) {
    EXPECT_FALSE(torch::equal(a, Draw(other)));
  }
}

TEST(RandomStream, KeysOfManyStreamsDiffer) {
  std::set<uint64_t> keys;
  for (int64_t seed = 0; seed < 10; ++seed) {
    for (int64_t id = -100; id < 900; ++id) keys.insert(StreamKey(seed, "noise", {id, 0}));
  }
  EXPECT_EQ(keys.size(), 10000u);
  EXPECT_NE(StreamKey(0, "a", {}), StreamKey(0, "", {'a'}));
}

// Streams whose engine kept few bits of the key would coincide.
TEST(RandomStream, UsesTheWholeKey) {
  std::set<std::pair<int64_t, int64_t>> seen;
  for (int64_t id = 0; id < 20000; ++id) {
    auto generator = RandomStream(0, "noise", {id});
    const torch::Tensor drawn = torch::empty({2}, torch::kInt64).random_(generator);
    seen.emplace(drawn[0].item<int64_t>(), drawn[1].item<int64_t>());
  }
  EXPECT_EQ(seen.size(), 20000u);
}

TEST(RandomStream, IsNormal) {
  const torch::Tensor drawn = Draw(RandomStream(3, "noise"), 100000);
  EXPECT_NEAR(drawn.mean().item<double>(), 0, 0.02);
  EXPECT_NEAR(drawn.std().item<double>(), 1, 0.02);
}

// First numbers across streams are as independent as numbers within one.
TEST(RandomStream, StreamsAreIndependent) {
  std::vector<torch::Tensor> rows;
  for (int64_t id = 0; id < 2000; ++id) rows.push_back(Draw(RandomStream(0, "noise", {id}), 16));
  const torch::Tensor drawn = torch::stack(rows);
  EXPECT_NEAR(drawn.mean().item<double>(), 0, 0.03);
  const torch::Tensor neighbours = drawn.slice(0, 1) * drawn.slice(0, 0, -1);
  EXPECT_NEAR(neighbours.mean().item<double>(), 0, 0.03);
}

TEST(RandomStream, ResumesFromItsState) {
  auto generator = RandomStream(1, "dropout");
  Draw(generator);
  const torch::Tensor state = generator.get_state();
  const torch::Tensor next = Draw(generator);
  generator.set_state(state);
  EXPECT_TRUE(torch::equal(next, Draw(generator)));
}

}  // namespace random_test
}  // namespace genvinci
