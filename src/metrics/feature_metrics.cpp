#include "genvinci/metrics/feature_metrics.h"

#include <algorithm>
#include <cmath>
#include <tuple>
#include <utility>
#include <vector>

#include "doubles.h"
#include "genvinci/core/error.h"
#include "genvinci/tensor/random.h"

namespace genvinci {
namespace {

constexpr int64_t kBlockNumbers = 4 << 20;  // distances held at a time: 32 MB

void CheckPair(const torch::Tensor& a_ND, const torch::Tensor& b_MD, int64_t least) {
  GENVINCI_CHECK(a_ND.dim() == 2 && b_MD.dim() == 2 && a_ND.size(1) == b_MD.size(1) && a_ND.size(1) > 0,
                 "features of {} and {} dimensions differ", a_ND.dim(), b_MD.dim());
  GENVINCI_CHECK(a_ND.size(0) >= least && b_MD.size(0) >= least, "sets of {} and {} rows, at least {} are needed",
                 a_ND.size(0), b_MD.size(0), least);
  GENVINCI_CHECK(a_ND.isfinite().all().item<bool>() && b_MD.isfinite().all().item<bool>(), "features are not finite");
}

// F of min(N, D) rows with F^T F = the sample covariance.
torch::Tensor CovarianceFactor(const torch::Tensor& rows_ND) {
  const int64_t n = rows_ND.size(0);
  const torch::Tensor scaled = (rows_ND - rows_ND.mean(0)) / std::sqrt(static_cast<double>(n - 1));
  return n > rows_ND.size(1) ? std::get<1>(torch::linalg_qr(scaled, "r")) : scaled;
}

torch::Tensor KernelMatrix(const torch::Tensor& a_ND, const torch::Tensor& b_MD) {
  return (a_ND.matmul(b_MD.t()) / static_cast<double>(a_ND.size(1)) + 1).pow(3);
}

// Mean of the kernel over pairs of different rows.
double MeanOfPairs(const torch::Tensor& rows_ND) {
  const torch::Tensor kernel = KernelMatrix(rows_ND, rows_ND);
  const int64_t n = rows_ND.size(0);
  return (kernel.sum() - kernel.trace()).item<double>() / static_cast<double>(n * (n - 1));
}

double Discrepancy(const torch::Tensor& a_ND, const torch::Tensor& b_MD) {
  return MeanOfPairs(a_ND) + MeanOfPairs(b_MD) - 2 * KernelMatrix(a_ND, b_MD).mean().item<double>();
}

void CheckResampled(const torch::Tensor& a_ND, const torch::Tensor& b_ND, const torch::Tensor& weights_RN) {
  CheckPair(a_ND, b_ND, /*least=*/2);
  GENVINCI_CHECK(a_ND.size(0) == b_ND.size(0) && weights_RN.dim() == 2 && weights_RN.size(1) == a_ND.size(0),
                 "sets of {} and {} rows have {} weights", a_ND.size(0), b_ND.size(0), weights_RN.size(-1));
}

// Mean (R, D) and sample covariance (R, D, D) of the rows as often as they were drawn.
std::pair<torch::Tensor, torch::Tensor> WeightedMoments(const torch::Tensor& rows_ND, const torch::Tensor& weights_RN) {
  const torch::Tensor centre = rows_ND.mean(0), centred = rows_ND - centre;
  const torch::Tensor counts = weights_RN.sum(1, /*keepdim=*/true), means = weights_RN.matmul(centred) / counts;
  const torch::Tensor squares = (weights_RN.unsqueeze(2) * centred).mT().matmul(centred);
  const torch::Tensor outer = means.unsqueeze(2) * means.unsqueeze(1) * counts.unsqueeze(2);
  return {means + centre, (squares - outer) / (counts.unsqueeze(2) - 1)};
}

torch::Tensor Trace(const torch::Tensor& matrices_RDD) { return matrices_RDD.diagonal(0, 1, 2).sum(1); }

torch::Tensor DrawRows(const torch::Tensor& rows_ND, int64_t size, torch::Generator generator) {
  if (size == rows_ND.size(0)) return rows_ND;
  return rows_ND.index_select(0, torch::randperm(rows_ND.size(0), generator).slice(0, 0, size));
}

// Calls visit(first row, distances_BM) for blocks of rows of `from`. Differences are formed one by one: the product
// |x|^2 - 2 x.y + |y|^2 is faster, but puts equal rows some 1e-7 apart and decides ties by rounding.
template <typename Visit>
void ForDistances(const torch::Tensor& from_ND, const torch::Tensor& to_MD, const Visit& visit) {
  const int64_t block = std::max<int64_t>(1, kBlockNumbers / to_MD.size(0));
  for (int64_t first = 0; first < from_ND.size(0); first += block) {
    const torch::Tensor rows_BD = from_ND.slice(0, first, std::min(first + block, from_ND.size(0)));
    visit(first, torch::cdist(rows_BD, to_MD, /*p=*/2, /*compute_mode=*/2));
  }
}

// Distance of each row to its k-th nearest other row.
torch::Tensor Radii(const torch::Tensor& rows_ND, int64_t k) {
  std::vector<torch::Tensor> radii;
  ForDistances(rows_ND, rows_ND, [&](int64_t, const torch::Tensor& distances_BN) {
    // The row itself is the first, at 0.
    radii.push_back(std::get<0>(distances_BN.kthvalue(k + 1, /*dim=*/1)));
  });
  return torch::cat(radii);
}

}  // namespace

double FrechetDistance(const torch::Tensor& a_ND, const torch::Tensor& b_MD) {
  CheckPair(a_ND, b_MD, /*least=*/2);
  const torch::Tensor a = Doubles(a_ND), b = Doubles(b_MD);
  const torch::Tensor a_factor = CovarianceFactor(a), b_factor = CovarianceFactor(b);
  // The eigenvalues of S_a S_b are the squared singular values of F_a F_b^T. Taking these, and no root of a covariance,
  // keeps the rounding of a singular covariance's zeros from growing to its square root.
  const torch::Tensor root_trace = torch::linalg_svdvals(a_factor.matmul(b_factor.t())).sum();
  const torch::Tensor means = (a.mean(0) - b.mean(0)).square().sum();
  const torch::Tensor traces = a_factor.square().sum() + b_factor.square().sum();
  return std::max(0.0, (means + traces - 2 * root_trace).item<double>());
}

KernelScore KernelDistance(const torch::Tensor& a_ND, const torch::Tensor& b_MD, const KernelDistanceOptions& options) {
  CheckPair(a_ND, b_MD, /*least=*/2);
  GENVINCI_CHECK(options.subsets >= 1 && options.subset_size >= 2, "{} subsets of {} rows", options.subsets,
                 options.subset_size);
  const torch::Tensor a = Doubles(a_ND), b = Doubles(b_MD);
  const int64_t size = std::min({options.subset_size, a.size(0), b.size(0)});
  const bool whole = size == a.size(0) && size == b.size(0);
  std::vector<double> scores;
  for (int64_t subset = 0; subset < (whole ? 1 : options.subsets); ++subset) {
    const torch::Generator generator = RandomStream(options.seed, "kernel distance", {subset});
    const torch::Tensor a_rows = DrawRows(a, size, generator);
    scores.push_back(Discrepancy(a_rows, DrawRows(b, size, generator)));
  }
  const torch::Tensor all = torch::tensor(scores, torch::kFloat64);
  return {all.mean().item<double>(), all.std(/*unbiased=*/false).item<double>(), size};
}

torch::Tensor ResampledFrechetDistances(const torch::Tensor& a_ND, const torch::Tensor& b_ND,
                                        const torch::Tensor& weights_RN) {
  CheckResampled(a_ND, b_ND, weights_RN);
  const torch::Tensor a = Doubles(a_ND), b = Doubles(b_ND);
  const int64_t chunk = std::max<int64_t>(1, kBlockNumbers / a.numel());
  std::vector<torch::Tensor> distances;
  for (const torch::Tensor& weights : Doubles(weights_RN).split(chunk)) {
    const auto [a_means, a_covariances] = WeightedMoments(a, weights);
    const auto [b_means, b_covariances] = WeightedMoments(b, weights);
    const auto [values, vectors] = torch::linalg_eigh(a_covariances);
    const torch::Tensor factors = values.clamp_min(0).sqrt().unsqueeze(2) * vectors.mT();
    const torch::Tensor squared_roots = torch::linalg_eigvalsh(factors.matmul(b_covariances).matmul(factors.mT()));
    const torch::Tensor traces = Trace(a_covariances) + Trace(b_covariances);
    distances.push_back((a_means - b_means).square().sum(1) + traces - 2 * squared_roots.clamp_min(0).sqrt().sum(1));
  }
  return torch::cat(distances).clamp_min(0);
}

torch::Tensor ResampledKernelDistances(const torch::Tensor& a_ND, const torch::Tensor& b_ND,
                                       const torch::Tensor& weights_RN) {
  CheckResampled(a_ND, b_ND, weights_RN);
  const torch::Tensor a = Doubles(a_ND), b = Doubles(b_ND), weights = Doubles(weights_RN);
  const torch::Tensor counts = weights.sum(1), pairs = counts * (counts - 1);
  const int64_t block = std::max<int64_t>(1, kBlockNumbers / std::max(a.size(0), weights.size(0)));
  torch::Tensor distances = torch::zeros_like(counts);
  for (int64_t first = 0; first < a.size(0); first += block) {
    const int64_t size = std::min(block, a.size(0) - first);
    const torch::Tensor drawn_RB = weights.narrow(1, first, size);
    const torch::Tensor a_rows = a.narrow(0, first, size), b_rows = b.narrow(0, first, size);
    const auto sums = [&](const torch::Tensor& kernel_BN) { return (drawn_RB * weights.matmul(kernel_BN.t())).sum(1); };
    const auto same = [&](const torch::Tensor& rows_BD) {  // each drawn row with itself
      return drawn_RB.matmul((rows_BD.square().sum(1) / static_cast<double>(rows_BD.size(1)) + 1).pow(3));
    };
    distances += (sums(KernelMatrix(a_rows, a)) - same(a_rows) + sums(KernelMatrix(b_rows, b)) - same(b_rows)) / pairs -
                 2 * sums(KernelMatrix(a_rows, b)) / counts.square();
  }
  return distances;
}

Neighbourhood NearestBalls(const torch::Tensor& real_ND, const torch::Tensor& made_MD, int64_t k) {
  CheckPair(real_ND, made_MD, /*least=*/2);
  GENVINCI_CHECK(k >= 1, "k is {}", k);
  const torch::Tensor real = Doubles(real_ND), made = Doubles(made_MD);
  const int64_t n = real.size(0), m = made.size(0);
  k = std::min({k, n - 1, m - 1});
  const torch::Tensor real_radii = Radii(real, k), made_radii = Radii(made, k);
  torch::Tensor balls_M = torch::zeros({m}, torch::kInt64);  // real balls around each made row
  int64_t recalled = 0, covered = 0;
  ForDistances(real, made, [&](int64_t first, const torch::Tensor& distances_BM) {
    const torch::Tensor radii_B = real_radii.slice(0, first, first + distances_BM.size(0));
    const torch::Tensor in_real_BM = distances_BM < radii_B.unsqueeze(1);
    balls_M += in_real_BM.sum(0);
    covered += in_real_BM.any(1).sum().item<int64_t>();
    recalled += (distances_BM < made_radii).any(1).sum().item<int64_t>();
  });
  const double rows = static_cast<double>(n), precise = (balls_M > 0).to(torch::kFloat64).mean().item<double>();
  const double density = balls_M.to(torch::kFloat64).mean().item<double>() / static_cast<double>(k);
  return {precise, static_cast<double>(recalled) / rows, density, static_cast<double>(covered) / rows};
}

NearestRows FindNearest(const torch::Tensor& from_ND, const torch::Tensor& to_MD) {
  CheckPair(from_ND, to_MD, /*least=*/1);
  std::vector<torch::Tensor> distances, indices;
  ForDistances(Doubles(from_ND), Doubles(to_MD), [&](int64_t, const torch::Tensor& distances_BM) {
    const auto [nearest, index] = distances_BM.min(/*dim=*/1);
    distances.push_back(nearest);
    indices.push_back(index);
  });
  return {torch::cat(distances), torch::cat(indices)};
}

}  // namespace genvinci
