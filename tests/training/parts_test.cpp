#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <numeric>
#include <set>

#include "core/temp_folder.h"
#include "genvinci/models/profile_embedder.h"
#include "genvinci/tensor/random.h"
#include "genvinci/training/engine/batch_order.h"
#include "genvinci/training/engine/ema.h"
#include "genvinci/training/engine/loss_scale.h"
#include "genvinci/training/engine/lr_schedule.h"
#include "genvinci/training/feeds/image_data.h"
#include "genvinci/training/feeds/masking.h"
#include "genvinci/training/feeds/pretrain_data.h"
#include "genvinci/training/tasks/frequency_baseline.h"
#include "genvinci/training/tasks/image_grid.h"
#include "genvinci/training/tasks/val_study.h"

namespace genvinci {
namespace parts_test {

TEST(LearningRate, WarmsUpAndDecays) {
  TrainingOptions options;
  options.lr = 2;
  options.warmup_steps = 4;
  options.decay = "linear";
  EXPECT_DOUBLE_EQ(LearningRate(options, 0, 12), 0.5);
  EXPECT_DOUBLE_EQ(LearningRate(options, 3, 12), 2);
  EXPECT_DOUBLE_EQ(LearningRate(options, 4, 12), 2);
  EXPECT_DOUBLE_EQ(LearningRate(options, 8, 12), 1);
  options.decay = "cosine";
  EXPECT_DOUBLE_EQ(LearningRate(options, 8, 12), 1);
  EXPECT_NEAR(LearningRate(options, 6, 12), 1 + std::sqrt(0.5), 1e-12);
  options.decay = "constant";
  EXPECT_DOUBLE_EQ(LearningRate(options, 11, 12), 2);
}

TEST(Ema, FollowsItsFormulaAndStandsIn) {
  const NamedTensors parameters = {{"w", torch::zeros({2})}};
  Ema ema(parameters, 0.3);
  double expected = 0;
  for (int64_t n = 0; n < 20; ++n) {
    torch::Tensor(parameters[0].second).fill_(static_cast<double>(n + 1));
    ema.Update(n);
    const double decay = std::min(0.3, (1.0 + static_cast<double>(n)) / (10.0 + static_cast<double>(n)));
    expected = decay * expected + (1 - decay) * static_cast<double>(n + 1);
  }
  EXPECT_NEAR(ema.State()[0].second[0].item<double>(), expected, 1e-4);
  {
    const Ema::Applied applied(ema);
    EXPECT_NEAR(parameters[0].second[0].item<double>(), expected, 1e-4);
  }
  EXPECT_EQ(parameters[0].second[0].item<double>(), 20);
}

TEST(BatchOrder, TakesEachItemOnceAnEpoch) {
  std::vector<int64_t> lengths(103);
  for (size_t i = 0; i < lengths.size(); ++i) lengths[i] = static_cast<int64_t>(i * 37 % 64);
  for (const bool by_length : {false, true}) {
    std::set<Batches> orders;
    for (int64_t epoch = 0; epoch < 3; ++epoch) {
      const Batches batches = by_length ? BatchesByLength(lengths, 8, 5, epoch) : ShuffledBatches(103, 8, 5, epoch);
      EXPECT_EQ(batches.size(), 13u);
      std::vector<int64_t> seen;
      for (const auto& batch : batches) seen.insert(seen.end(), batch.begin(), batch.end());
      std::sort(seen.begin(), seen.end());
      std::vector<int64_t> all(103);
      std::iota(all.begin(), all.end(), 0);
      EXPECT_EQ(seen, all);
      orders.insert(batches);
      EXPECT_EQ(batches, by_length ? BatchesByLength(lengths, 8, 5, epoch) : ShuffledBatches(103, 8, 5, epoch));
    }
    EXPECT_EQ(orders.size(), 3u);
  }
}

TEST(BatchOrder, GroupsByLength) {
  std::vector<int64_t> lengths(200);
  for (size_t i = 0; i < lengths.size(); ++i) lengths[i] = static_cast<int64_t>(i * 37 % 200);
  for (const auto& batch : BatchesByLength(lengths, 8, 1, 0)) {
    int64_t shortest = 1000, longest = 0;
    for (const int64_t i : batch) {
      shortest = std::min(shortest, lengths[static_cast<size_t>(i)]);
      longest = std::max(longest, lengths[static_cast<size_t>(i)]);
    }
    EXPECT_LE(longest - shortest, 7);
  }
}

using Lists = std::vector<std::vector<int32_t>>;

MaskedBatch Masked(const Lists& lists, const MaskingOptions& options, const std::vector<int64_t>& items) {
  ItemDraws draws({1, 0}, items);
  return MaskTokens(ProfileTokens::Of(lists).Select(items), options, draws);
}

MaskedBatch Masked(const Lists& lists, const MaskingOptions& options) {
  std::vector<int64_t> items;
  for (size_t i = 0; i < lists.size(); ++i) items.push_back(static_cast<int64_t>(i));
  return Masked(lists, options, items);
}

Lists RandomLists(int64_t count, int64_t length, int64_t first, int64_t last) {
  Lists lists;
  for (const torch::Tensor& row : torch::randint(first, last, {count, length}, torch::kInt32).unbind(0))
    lists.emplace_back(row.data_ptr<int32_t>(), row.data_ptr<int32_t>() + length);
  return lists;
}

TEST(MaskTokens, FollowsTheShares) {
  Lists lists = RandomLists(100, 300, 2, 1000);
  lists[0].resize(400, 7);  // so that the others are padded
  const torch::Tensor tokens_BL = PadTokens(ProfileTokens::Of(lists), 400, /*full=*/false);
  const MaskedBatch batch = Masked(lists, {0.15, 2, 1000});
  const auto count = [](const torch::Tensor& t) { return t.sum().item<double>(); };
  const double chosen = count(batch.chosen_BL);
  EXPECT_NEAR(chosen / 30100, 0.15, 0.01);
  EXPECT_EQ(count(batch.chosen_BL.slice(0, 1).narrow(1, 300, 100)), 0);
  const torch::Tensor seen_N = batch.tokens_BL.masked_select(batch.chosen_BL);
  EXPECT_NEAR(count(seen_N == 1) / chosen, 0.8, 0.02);
  EXPECT_NEAR(count(seen_N == batch.labels_N) / chosen, 0.1, 0.02);
  EXPECT_NEAR(count((seen_N != 1) & (seen_N != batch.labels_N)) / chosen, 0.1, 0.02);
  EXPECT_TRUE(batch.labels_N.equal(tokens_BL.masked_select(batch.chosen_BL)));
  EXPECT_TRUE(batch.tokens_BL.masked_select(~batch.chosen_BL).equal(tokens_BL.masked_select(~batch.chosen_BL)));
  EXPECT_TRUE((seen_N > 0).all().item<bool>());
  EXPECT_LT(seen_N.max().item<int64_t>(), 1000);
  const torch::Tensor ranks_BL = torch::arange(400).expand({100, 400});
  EXPECT_TRUE(batch.ranks_N.equal(ranks_BL.masked_select(batch.chosen_BL)));
}

// However a batch is put together, and whatever it is padded to.
TEST(MaskTokens, OfAProfileAreTheSameInAnyBatch) {
  Lists lists = RandomLists(6, 40, 2, 1000);
  lists[4].resize(80, 9);
  const MaskedBatch all = Masked(lists, {0.15, 2, 1000}), some = Masked(lists, {0.15, 2, 1000}, {5, 2});
  EXPECT_TRUE(some.tokens_BL[0].equal(all.tokens_BL[5].slice(0, 0, 40)));
  EXPECT_TRUE(some.tokens_BL[1].equal(all.tokens_BL[2].slice(0, 0, 40)));
  EXPECT_FALSE(Masked(lists, {0.15, 2, 1000}, {2}).tokens_BL.equal(Masked({lists[2]}, {0.15, 2, 1000}).tokens_BL));
}

TEST(TokenFolders, OfAnotherGeneformerAreRefused) {
  const std::vector<Vocabulary::Gene> genes = {{4, "ENSG01", "A", 1}, {5, "ENSG02", "B", 2}};
  const Vocabulary v2(genes, "v2", {.cls = 2, .eos = 3});
  const Vocabulary& v1 = Vocabulary::GeneformerV1();
  const auto flat = [](const Lists& lists) {
    TokenLists all;
    for (const auto& list : lists) all.Add(list);
    return all;
  };
  const TokenLists framed = flat({{2, 5, 4, 3}, {2, 4, 3}}), plain = flat({{2, 5, 4, 3}, {4, 5}});
  RequireFrame("t", v2, framed);
  RequireFrame("t", v1, plain);
  CatchError("TOKENS_VOCABULARY", [&] { RequireFrame("t", v1, framed); });
  CatchError("TOKENS_VOCABULARY", [&] { RequireFrame("t", v2, plain); });
}

// Geneformer V2's <cls> and <eos> are neither hidden nor put in place of a gene.
TEST(MaskTokens, LeavesTheFrameAlone) {
  Lists lists = RandomLists(50, 40, 4, 10);
  for (auto& list : lists) {
    list.front() = 2;
    list.back() = 3;
  }
  const MaskedBatch batch = Masked(lists, {0.9, 4, 10});
  EXPECT_TRUE(batch.tokens_BL.select(1, 0).eq(2).all().item<bool>());
  EXPECT_TRUE(batch.tokens_BL.select(1, 39).eq(3).all().item<bool>());
  const torch::Tensor inner = batch.tokens_BL.narrow(1, 1, 38);
  EXPECT_TRUE(((inner == 1) | (inner >= 4)).all().item<bool>());
  EXPECT_GT(batch.labels_N.numel(), 0.8 * 50 * 38);
}

TEST(MaskTokens, ChoosesOneAtLeastOfEachProfile) {
  const MaskedBatch batch = Masked({{7}, {8, 9}}, {1e-9, 2, 10});
  EXPECT_EQ(batch.labels_N.numel(), 2);
  EXPECT_EQ(batch.labels_N[0].item<int64_t>(), 7);
}

TEST(LossScale, HalvesAndGrows) {
  LossScale scale(/*enabled=*/true);
  EXPECT_EQ(scale.scale(), 65536);
  EXPECT_TRUE(scale.Update(false));
  EXPECT_EQ(scale.scale(), 32768);
  for (int i = 0; i < 1999; ++i) scale.Update(true);
  EXPECT_EQ(scale.scale(), 32768);
  LossScale resumed(/*enabled=*/true);
  resumed.Load(scale.State());
  resumed.Update(true);
  EXPECT_EQ(resumed.scale(), 65536);
  for (int i = 0; i < 24; ++i) EXPECT_TRUE(resumed.Update(false));
  EXPECT_FALSE(resumed.Update(false));
  LossScale off(/*enabled=*/false);
  EXPECT_TRUE(off.Update(false));
  EXPECT_EQ(off.scale(), 1);
}

// By hand: 5 of 8 tokens are 2; with one count added to each of 4 tokens, p(2) = 6 / 12.
TEST(FrequencyBaseline, CountsByTokenAndRank) {
  FrequencyBaseline baseline(ProfileTokens::Of({{2, 3}, {2, 3}, {2, 3}, {2, 2}}), 2, 4);
  baseline.Add(torch::tensor({2, 3}), torch::tensor({0, 1}));
  const Json result = baseline.Result();
  EXPECT_NEAR(result["frequency_loss"].get<double>(), -(std::log(6.0 / 12) + std::log(4.0 / 12)) / 2, 1e-6);
  EXPECT_EQ(result["frequency_accuracy"].get<double>(), 0.5);
  // Rank 0: 4 of 4 are 2; rank 1: 3 of 4 are 3; each shrunk by 1,000 counts.
  const double first = (4 + 1000 * 6.0 / 12) / 1004, second = (3 + 1000 * 4.0 / 12) / 1004;
  EXPECT_NEAR(result["rank_frequency_loss"].get<double>(), -(std::log(first) + std::log(second)) / 2, 1e-6);
}

TEST(ImageGrid, PutsRowsAndColumnsInPlace) {
  const auto plain = [](double value) { return torch::full({3, 4, 5}, value); };
  const Image grid = ImageGrid({{plain(-1), plain(0)}, {plain(1)}});
  EXPECT_EQ(grid.width, 12);
  EXPECT_EQ(grid.height, 10);
  EXPECT_EQ(grid.At(0, 0)[0], 0);
  EXPECT_EQ(grid.At(7, 3)[2], 128);
  EXPECT_EQ(grid.At(4, 6)[0], 255);
  EXPECT_EQ(ImageGrid({{torch::zeros({2, 4, 4})}}).channels, 3);
  EXPECT_EQ(ImageGrid({{torch::zeros({6, 4, 4})}}).channels, 3);
  EXPECT_EQ(ImageGrid({{torch::zeros({1, 4, 4})}}).channels, 1);
}

TEST(EvenlySpread, CoversTheRange) {
  EXPECT_EQ(EvenlySpread(10, 5), (std::vector<int64_t>{0, 2, 4, 6, 8}));
  EXPECT_EQ(EvenlySpread(3, 3), (std::vector<int64_t>{0, 1, 2}));
  EXPECT_TRUE(EvenlySpread(0, 0).empty());
}

TriedSampling Tried(double guidance, int64_t steps, double distance, double gap) {
  return {{.steps = steps, .guidance = guidance}, distance, gap};
}

TEST(BestGuidance, FollowsTheGenesAmongThoseAsGood) {
  EXPECT_EQ(BestGuidance({Tried(1, 20, 1.2, 1), Tried(2, 20, 1, 2), Tried(3, 20, 1.04, 3), Tried(4, 20, 1.06, 4)})
                .sampling.guidance,
            3);
  EXPECT_EQ(BestGuidance({Tried(1, 20, 1, 3), Tried(2, 20, 1.01, 2)}).sampling.guidance, 1);
  EXPECT_EQ(BestGuidance({Tried(1, 20, std::nan(""), 9), Tried(2, 20, 5, 1)}).sampling.guidance, 2);
}

TEST(FewestSteps, OfThoseAsGood) {
  EXPECT_EQ(FewestSteps({Tried(2, 50, 1, 1), Tried(2, 20, 1.019, 1), Tried(2, 10, 1.03, 1)}).sampling.steps, 20);
  EXPECT_EQ(FewestSteps({Tried(2, 20, 1.03, 1), Tried(2, 50, 1, 1)}).sampling.steps, 50);
}

}  // namespace parts_test
}  // namespace genvinci
