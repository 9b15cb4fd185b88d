#pragma once

#include <torch/torch.h>

#include <cstdint>

namespace genvinci {

// The bootstrap (Efron 1979; percentile intervals: Efron and Tibshirani 1993, chapter 13): statistics of resampled
// rows. A resample is a row of weights, how often each of the N rows was drawn, so R resamples are (R, N) float64 on
// the CPU, 8 R N bytes (2,000 resamples of 20,000 rows: 320 MB); nothing else here grows with R N. Weights of ones,
// (1, N), give the statistic itself. Shapes that do not fit are an InternalError.

struct Interval {
  double low, high;
};

// N rows drawn with replacement from N; n and resamples at least 1. Every weights_RN row sums to n.
torch::Tensor RowWeights(int64_t n, int64_t resamples, torch::Generator generator);

// Cluster bootstrap, where rows of a group (a patient, a section) are not independent: as many groups as there are,
// drawn with replacement, with all of their rows. groups_N: int64, any numbers; at least 1 row. The sum of a row of
// weights varies where groups differ in size.
torch::Tensor GroupWeights(const torch::Tensor& groups_N, int64_t resamples, torch::Generator generator);

// Weighted mean of the values in each resample, (R) float64. Rows whose value is NaN are left out, and a resample that
// is left without rows has NaN. An infinite value makes the mean of a resample infinite only where it was drawn.
torch::Tensor WeightedMeans(const torch::Tensor& values_N, const torch::Tensor& weights_RN);

// Mean over the classes in each resample of the share of the class's rows that are predicted right, (R) float64 from 0
// to 1, as scikit-learn's balanced_accuracy_score of the resampled rows. Labels are int64; a truth of -1 is no label
// and its row is left out; NaN for a resample without labelled rows. Adds 16 N bytes a class.
torch::Tensor BalancedAccuracies(const torch::Tensor& truth_N, const torch::Tensor& predicted_N,
                                 const torch::Tensor& weights_RN);

// The middle `level` (between 0 and 1) of the statistics, with numpy.percentile's linear interpolation. NaNs are left
// out; NaN where nothing is left.
Interval PercentileInterval(const torch::Tensor& statistics_R, double level = 0.95);

}  // namespace genvinci
