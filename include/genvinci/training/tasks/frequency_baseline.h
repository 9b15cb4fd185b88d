#pragma once

#include <torch/torch.h>

#include "genvinci/core/json.h"
#include "genvinci/distributed/rank_group.h"
#include "genvinci/genes/profile_tokens.h"

namespace genvinci {

// What masked tokens are worth without a network: guessed from the frequency of tokens in the training part, over all
// ranks (with one count added to each token) and within 64 bins of rank (shrunk to the former by 1,000 counts), since a
// token's rank alone tells much.
class FrequencyBaseline {
 public:
  FrequencyBaseline(const ProfileTokens& profiles, int64_t first_gene, int64_t vocabulary_size);

  // Scores masked tokens (labels_N, ranks_N int64).
  void Add(const torch::Tensor& labels_N, const torch::Tensor& ranks_N);
  // {"frequency_loss", "frequency_accuracy", "rank_frequency_loss", "rank_frequency_accuracy"} of all that was added:
  // the mean -log p, and the share of tokens that are the likeliest one.
  Json Result() const;
  void Reset();
  // What all ranks have added.
  void Reduce(RankGroup& ranks);
  // log p of each token over all ranks, (vocabulary).
  const torch::Tensor& log_frequency_V() const { return log_p_V_; }

 private:
  torch::Tensor BinOf(const torch::Tensor& ranks_N) const;

  struct Score {
    double loss = 0, hits = 0;
  };
  int64_t longest_ = 1, count_ = 0;
  torch::Tensor log_p_V_, log_p_bins_KV_, likeliest_K_;
  int64_t likeliest_ = 0;
  Score all_, by_rank_;
};

}  // namespace genvinci
