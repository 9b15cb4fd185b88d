#pragma once

#include <torch/torch.h>

#include <cstdint>

namespace genvinci {

// Scores of two sets of images by their features: (N, D) and (M, D), floating, on any device; computed in float64 on
// the CPU. Sets of another shape, with too few rows, or with a number that is not finite are an InternalError.

// Squared Frechet distance of the normal distributions with the sets' means and sample covariances (n - 1):
// |mu_a - mu_b|^2 + tr(S_a + S_b - 2 (S_a S_b)^(1/2)), at least 0 (Heusel et al. 2017: FID on Inception's
// features). Covariances may be singular, as they are with fewer rows than features; but the fewer the rows, the
// larger the distance comes out. At least 2 rows each.
double FrechetDistance(const torch::Tensor& a_ND, const torch::Tensor& b_MD);

struct KernelDistanceOptions {
  int64_t subsets = 100;
  int64_t subset_size = 1000;  // at least 2; the smaller set's size where that is less
  int64_t seed = 0;
};

struct KernelScore {
  double mean;          // over the subsets; slightly below 0 is possible, since the estimate is unbiased
  double deviation;     // over the subsets, population (n); 0 for a single evaluation
  int64_t subset_size;  // that was used
};

// Unbiased squared maximum mean discrepancy under the kernel (x.y / D + 1)^3 (Binkowski et al. 2018: KID on
// Inception's features; the estimate is Gretton et al. 2012's), over random subsets without replacement of each set.
// Where the subset is all of both sets there is one evaluation. At least 2 rows each.
KernelScore KernelDistance(const torch::Tensor& a_ND, const torch::Tensor& b_MD,
                           const KernelDistanceOptions& options = {});

// The same two distances in each resample (metrics/bootstrap.h) of both sets' rows alike, weights_RN: (R) float64. As
// if the rows were written as often as they were drawn; the kernel distance is of all of them, without subsets. The
// roots of covariances that are singular carry rounding of 1e-8 of their size. Every resample has at least 2 rows.
torch::Tensor ResampledFrechetDistances(const torch::Tensor& a_ND, const torch::Tensor& b_ND,
                                        const torch::Tensor& weights_RN);
torch::Tensor ResampledKernelDistances(const torch::Tensor& a_ND, const torch::Tensor& b_ND,
                                       const torch::Tensor& weights_RN);

// How the made set lies among the real one. A row's ball reaches to its k-th nearest other row of the same set; its
// rim is outside. All but density are shares from 0 to 1.
struct Neighbourhood {
  double precision;  // share of made rows in the ball of some real row (Kynkaanniemi et al. 2019)
  double recall;     // share of real rows in the ball of some made row
  double density;    // mean over made rows of (number of real balls around it) / k (Naeem et al. 2020)
  double coverage;   // share of real rows whose ball holds some made row (Naeem et al. 2020)
};

// As the package `prdc`. k is cut to one less than the smaller set's rows; at least 2 rows each.
Neighbourhood NearestBalls(const torch::Tensor& real_ND, const torch::Tensor& made_MD, int64_t k = 5);

struct NearestRows {
  torch::Tensor distances_N;  // float64, Euclidean; exactly 0 for an equal row
  torch::Tensor indices_N;    // int64, of the row in the other set; the first of equally near ones
};

// The row of `to` that is nearest to each row of `from`. At least 1 row each.
NearestRows FindNearest(const torch::Tensor& from_ND, const torch::Tensor& to_MD);

}  // namespace genvinci
