#include "genvinci/training/tasks/frequency_baseline.h"

#include <algorithm>

namespace genvinci {
namespace {

constexpr int64_t kBins = 64;
constexpr double kShrink = 1000;

}  // namespace

FrequencyBaseline::FrequencyBaseline(const ProfileTokens& profiles, int64_t first_gene, int64_t vocabulary_size)
    : longest_(std::max<int64_t>(profiles.longest(), 1)) {
  torch::Tensor counts_KV = torch::zeros({kBins, vocabulary_size}, torch::kFloat32);
  auto counts = counts_KV.accessor<float, 2>();
  for (int64_t i = 0; i < profiles.size(); ++i) {
    const std::span<const int32_t> profile = profiles[i];
    for (size_t rank = 0; rank < profile.size(); ++rank) {
      if (profile[rank] >= first_gene) counts[static_cast<int64_t>(rank) * kBins / longest_][profile[rank]] += 1;
    }
  }
  const torch::Tensor counts_V = counts_KV.sum(0, /*keepdim=*/false, torch::kFloat64) + 1;
  const torch::Tensor p_V = counts_V / counts_V.sum();
  const torch::Tensor totals_K1 = counts_KV.sum(1, /*keepdim=*/true, torch::kFloat64);
  const torch::Tensor p_KV = (counts_KV + kShrink * p_V) / (totals_K1 + kShrink);
  log_p_V_ = p_V.log().to(torch::kFloat32);
  log_p_bins_KV_ = p_KV.log().to(torch::kFloat32);
  likeliest_ = p_V.argmax().item<int64_t>();
  likeliest_K_ = p_KV.argmax(1);
}

torch::Tensor FrequencyBaseline::BinOf(const torch::Tensor& ranks_N) const {
  return (ranks_N * kBins).div(longest_, "floor").clamp_max(kBins - 1);
}

void FrequencyBaseline::Add(const torch::Tensor& labels_N, const torch::Tensor& ranks_N) {
  const torch::Tensor bins_N = BinOf(ranks_N);
  const auto sum = [](const torch::Tensor& values) { return values.sum(torch::kFloat64).item<double>(); };
  all_.loss -= sum(log_p_V_.index_select(0, labels_N));
  all_.hits += sum(labels_N == likeliest_);
  by_rank_.loss -= sum(log_p_bins_KV_.index({bins_N, labels_N}));
  by_rank_.hits += sum(labels_N == likeliest_K_.index_select(0, bins_N));
  count_ += labels_N.numel();
}

Json FrequencyBaseline::Result() const {
  const auto mean = [&](double value) { return value / static_cast<double>(std::max<int64_t>(1, count_)); };
  return {{"frequency_loss", mean(all_.loss)},
          {"frequency_accuracy", mean(all_.hits)},
          {"rank_frequency_loss", mean(by_rank_.loss)},
          {"rank_frequency_accuracy", mean(by_rank_.hits)}};
}

void FrequencyBaseline::Reduce(RankGroup& ranks) {
  const std::vector<double> sums =
      ranks.Sum({all_.loss, all_.hits, by_rank_.loss, by_rank_.hits, static_cast<double>(count_)});
  all_ = {sums[0], sums[1]};
  by_rank_ = {sums[2], sums[3]};
  count_ = static_cast<int64_t>(sums[4]);
}

void FrequencyBaseline::Reset() {
  all_ = by_rank_ = {};
  count_ = 0;
}

}  // namespace genvinci
