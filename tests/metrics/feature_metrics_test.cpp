#include "genvinci/metrics/feature_metrics.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "genvinci/core/error.h"
#include "genvinci/metrics/bootstrap.h"
#include "genvinci/tensor/convert.h"
#include "genvinci/tensor/random.h"

namespace genvinci {
namespace feature_metrics_test {

// From torch-fidelity and numpy; scripts/golden/make_feature_metrics.py says how.
torch::Tensor Golden(const std::string& name) {
  static const SafetensorsFile file(GENVINCI_SOURCE_DIR "/tests/metrics/data/feature_metrics.safetensors");
  return ToTensor(file.View(name));
}

double GoldenNumber(const std::string& name) { return Golden(name).item<double>(); }

torch::Tensor Normal(int64_t n, int64_t width, int64_t seed) {
  return torch::randn({n, width}, RandomStream(seed, "test"), torch::kFloat64);
}

torch::Tensor Column(const std::vector<double>& numbers) {
  return torch::tensor(numbers, torch::kFloat64).unsqueeze(1);
}

void ExpectBalls(const Neighbourhood& balls, const torch::Tensor& expected) {
  EXPECT_NEAR(balls.precision, expected[0].item<double>(), 1e-6);
  EXPECT_NEAR(balls.recall, expected[1].item<double>(), 1e-6);
  EXPECT_NEAR(balls.density, expected[2].item<double>(), 1e-6);
  EXPECT_NEAR(balls.coverage, expected[3].item<double>(), 1e-6);
}

class FeatureMetrics : public testing::TestWithParam<std::string> {
 protected:
  torch::Tensor real_ = Golden(GetParam() + ".real"), made_ = Golden(GetParam() + ".made");
};

TEST_P(FeatureMetrics, FrechetDistanceEqualsTorchFidelity) {
  const double expected = GoldenNumber(GetParam() + ".frechet");
  EXPECT_NEAR(FrechetDistance(real_, made_), expected, 1e-5 * expected);
  EXPECT_NEAR(FrechetDistance(made_, real_), expected, 1e-5 * expected);
}

TEST_P(FeatureMetrics, FrechetDistanceEqualsTorchMetrics) {
  const double expected = GoldenNumber(GetParam() + ".frechet_torchmetrics");
  EXPECT_NEAR(FrechetDistance(real_, made_), expected, 1e-4 * expected);
}

TEST_P(FeatureMetrics, KernelDistanceEqualsTorchFidelity) {
  const int64_t least = std::min(real_.size(0), made_.size(0));
  const KernelScore score = KernelDistance(real_.slice(0, 0, least), made_.slice(0, 0, least));
  EXPECT_NEAR(score.mean, GoldenNumber(GetParam() + ".kernel"), 1e-9);
  EXPECT_EQ(score.deviation, 0);
  EXPECT_EQ(score.subset_size, least);
}

TEST_P(FeatureMetrics, NearestBallsEqualTheDefinitions) {
  ExpectBalls(NearestBalls(real_, made_, 3), Golden(GetParam() + ".balls_3"));
  ExpectBalls(NearestBalls(real_, made_), Golden(GetParam() + ".balls_5"));
}

TEST_P(FeatureMetrics, FindNearestEqualsNumpy) {
  const NearestRows nearest = FindNearest(made_, real_);
  EXPECT_LT((nearest.distances_N - Golden(GetParam() + ".nearest")).abs().max().item<double>(), 1e-12);
  EXPECT_TRUE(nearest.indices_N.equal(Golden(GetParam() + ".nearest_index")));
}

INSTANTIATE_TEST_SUITE_P(Golden, FeatureMetrics, testing::Values("many", "few"));

// Rows +-s_d e_d: mean 0 and the diagonal covariance 2 s_d^2 / (2 D - 1).
torch::Tensor Cross(const torch::Tensor& arms_D) { return torch::cat({arms_D.diag(), -arms_D.diag()}); }

TEST(FrechetDistanceOf, DiagonalNormalsIsTheFormula) {
  const torch::Tensor a_D = torch::tensor({1.0, 2.0, 0.0, 5.0}, torch::kFloat64);
  const torch::Tensor b_D = torch::tensor({3.0, 0.5, 1.0, 0.0}, torch::kFloat64);
  const torch::Tensor shift_D = torch::tensor({0.5, -1.0, 2.0, 0.0}, torch::kFloat64);
  // Between normals with commuting covariances: |shift|^2 + sum (sigma_a - sigma_b)^2.
  const double expected = (shift_D.square().sum() + (a_D - b_D).square().sum() * 2 / 7).item<double>();
  EXPECT_NEAR(FrechetDistance(Cross(a_D), Cross(b_D) + shift_D), expected, 1e-12);
  EXPECT_NEAR(FrechetDistance(Cross(a_D).to(torch::kFloat32), Cross(b_D) + shift_D), expected, 1e-12);
}

TEST(FrechetDistanceOf, AShiftIsItsSquareAndEqualSetsAreZero) {
  for (const int64_t n : {5, 40}) {  // fewer rows than features, and more
    const torch::Tensor rows_ND = Normal(n, 12, 1), shift_D = Normal(1, 12, 2);
    const double equal = FrechetDistance(rows_ND, rows_ND.flip(0));
    EXPECT_GE(equal, 0);
    EXPECT_LT(equal, 1e-12);
    EXPECT_NEAR(FrechetDistance(rows_ND, rows_ND + shift_D), shift_D.square().sum().item<double>(), 1e-11);
  }
}

// By hand: of 1-D rows 0, 1 and 1, 2 the kernel is (x y + 1)^3.
TEST(KernelDistanceOf, TwoRowsIsTheFormula) {
  const double expected = 1 + 27 - 2 * (1 + 1 + 8 + 27) / 4.0;
  EXPECT_NEAR(KernelDistance(Column({0, 1}), Column({1, 2})).mean, expected, 1e-12);
}

TEST(KernelDistanceOf, SubsetsAreDrawnWithoutReplacement) {
  const torch::Tensor a = Normal(2, 3, 1), b = Normal(3, 3, 2);
  std::set<int64_t> pairs;
  for (int64_t seed = 0; seed < 30; ++seed) {
    const double score = KernelDistance(a, b, {.subsets = 1, .seed = seed}).mean;
    int64_t matches = 0;
    for (int64_t left_out = 0; left_out < 3; ++left_out) {
      const torch::Tensor pair = torch::cat({b.slice(0, 0, left_out), b.slice(0, left_out + 1)});
      if (std::abs(score - KernelDistance(a, pair).mean) > 1e-12) continue;
      pairs.insert(left_out);
      ++matches;
    }
    EXPECT_EQ(matches, 1) << "not a pair of different rows: " << score;
  }
  EXPECT_EQ(pairs.size(), 3U);
}

TEST(KernelDistanceOf, SubsetsAveragesThem) {
  const torch::Tensor a = Normal(30, 4, 1), b = Normal(50, 4, 2) + 0.3;
  const KernelScore score = KernelDistance(a, b, {.subsets = 2, .subset_size = 20, .seed = 7});
  EXPECT_EQ(score.subset_size, 20);
  const double first = KernelDistance(a, b, {.subsets = 1, .subset_size = 20, .seed = 7}).mean;
  // The deviation of two numbers is their distance from the mean.
  EXPECT_NEAR(std::abs(first - score.mean), score.deviation, 1e-12);
  EXPECT_GT(score.deviation, 1e-6);
  EXPECT_EQ(KernelDistance(a, b, {.subsets = 2, .subset_size = 20, .seed = 7}).mean, score.mean);
  EXPECT_NE(KernelDistance(a, b, {.subsets = 2, .subset_size = 20, .seed = 8}).mean, score.mean);
}

TEST(KernelDistanceOf, ASmallerSetSetsTheSize) {
  const KernelScore score = KernelDistance(Normal(9, 4, 1), Normal(50, 4, 2));
  EXPECT_EQ(score.subset_size, 9);
  EXPECT_GT(score.deviation, 0);
}

// The metrics themselves are held to torch-fidelity above; here the rows are written out as often as they were drawn.
TEST(ResampledDistances, AreThoseOfTheDrawnRows) {
  constexpr int64_t kRows = 30, kResamples = 7;
  for (const int64_t width : {5, 40}) {  // more features than rows: singular covariances
    const torch::Tensor a = Normal(kRows, width, 1), b = Normal(kRows, width, 2) * 1.5 + 0.3;
    const torch::Tensor weights_RN = RowWeights(kRows, kResamples, RandomStream(3, "test"));
    const torch::Tensor frechet_R = ResampledFrechetDistances(a, b, weights_RN);
    const torch::Tensor kernel_R = ResampledKernelDistances(a, b, weights_RN);
    for (int64_t r = 0; r < kResamples; ++r) {
      const torch::Tensor rows = torch::arange(kRows).repeat_interleave(weights_RN[r].to(torch::kInt64));
      const torch::Tensor drawn_a = a.index_select(0, rows), drawn_b = b.index_select(0, rows);
      const double frechet = FrechetDistance(drawn_a, drawn_b), kernel = KernelDistance(drawn_a, drawn_b).mean;
      EXPECT_NEAR(frechet_R[r].item<double>(), frechet, 1e-6 * frechet) << width;
      EXPECT_NEAR(kernel_R[r].item<double>(), kernel, 1e-9 * std::abs(kernel)) << width;
    }
  }
}

TEST(ResampledDistances, OfManyRowsAreTheSameInBlocks) {
  const torch::Tensor a = Normal(3000, 40, 4), b = Normal(3000, 40, 5) * 1.1;
  const torch::Tensor once = torch::ones({40, 3000}, torch::kFloat64);
  const double frechet = FrechetDistance(a, b), kernel = KernelDistance(a, b, {.subset_size = 3000}).mean;
  EXPECT_TRUE(
      torch::allclose(ResampledFrechetDistances(a, b, once), torch::full({40}, frechet, torch::kFloat64), 1e-9));
  EXPECT_TRUE(torch::allclose(ResampledKernelDistances(a, b, once), torch::full({40}, kernel, torch::kFloat64), 1e-9));
}

// Every ball holds its own row and the k - 1 nearer ones; the k-th lies on the rim.
TEST(NearestBallsOf, EqualSetsAreAllOne) {
  const torch::Tensor rows = Normal(40, 6, 3);
  ExpectBalls(NearestBalls(rows, rows.flip(0)), torch::ones(4));
}

TEST(NearestBallsOf, FarSetsAreAllZero) {
  ExpectBalls(NearestBalls(Normal(20, 6, 3), Normal(30, 6, 4) + 100), torch::zeros(4));
}

// Radii to the second neighbour: 3, 2, 3, 6 of the real rows and 1.5, 1, 1.5 of the made ones.
TEST(NearestBallsOf, ALineIsAsCountedByHand) {
  const Neighbourhood balls = NearestBalls(Column({0, 1, 3, 7}), Column({2, 2.5, 3.5}), 2);
  EXPECT_NEAR(balls.precision, 1, 1e-12);
  EXPECT_NEAR(balls.recall, 2 / 4.0, 1e-12);          // 1 is within 1.5 of 2, 3 of all; 0 and 7 are not
  EXPECT_NEAR(balls.density, 10 / (2.0 * 3), 1e-12);  // balls 0: 2, 1: 2, 3: 3, 7: 3 made rows
  EXPECT_NEAR(balls.coverage, 1, 1e-12);
}

TEST(NearestBallsOf, TinySetsCutK) {
  const torch::Tensor real = Normal(3, 2, 5), made = Normal(4, 2, 6);
  const Neighbourhood cut = NearestBalls(real, made, 5), two = NearestBalls(real, made, 2);
  EXPECT_EQ(cut.density, two.density);
  EXPECT_EQ(cut.recall, two.recall);
}

// More than one block of distances, each of which must take its own rows' radii.
TEST(NearestBallsOf, ManyRowsIsTheSameInBlocks) {
  const torch::Tensor real = Normal(2150, 1, 7), made = Normal(2100, 1, 8) + 0.5;
  const torch::Tensor distances_NM = (real - made.t()).abs();
  const torch::Tensor radii_N = std::get<0>((real - real.t()).abs().topk(6, 1, /*largest=*/false)).select(1, 5);
  const torch::Tensor radii_M = std::get<0>((made - made.t()).abs().topk(6, 1, /*largest=*/false)).select(1, 5);
  const torch::Tensor in_real = distances_NM < radii_N.unsqueeze(1), in_made = distances_NM < radii_M;
  const auto share = [](const torch::Tensor& flags) { return flags.to(torch::kFloat64).mean(); };
  ExpectBalls(NearestBalls(real, made), torch::stack({share(in_real.any(0)), share(in_made.any(1)),
                                                      share(in_real) * 2150 / 5, share(in_real.any(1))}));
}

TEST(FindNearestOf, EqualRowsIsExactlyZeroAndTheFirst) {
  const torch::Tensor rows = Normal(30, 50, 9) * 1000 + 1e5;
  const NearestRows nearest = FindNearest(rows, torch::cat({rows, rows}));
  EXPECT_EQ(nearest.distances_N.max().item<double>(), 0);
  EXPECT_TRUE(nearest.indices_N.equal(torch::arange(30)));
}

TEST(FindNearestOf, ManyRowsKeepsTheOrderOfBlocks) {
  const torch::Tensor from = torch::arange(3000, torch::kFloat64).unsqueeze(1), to = from.flip(0) + 0.25;
  const NearestRows nearest = FindNearest(from, to);
  EXPECT_TRUE(nearest.indices_N.equal(torch::arange(2999, -1, -1)));
  EXPECT_LT((nearest.distances_N - 0.25).abs().max().item<double>(), 1e-12);
}

TEST(FeatureMetricsOf, RefuseWhatTheyCannotScore) {
  const torch::Tensor rows = Normal(4, 3, 1), one = Normal(1, 3, 1), wider = Normal(4, 5, 1);
  torch::Tensor broken = rows.clone();
  broken[1][2] = std::numeric_limits<double>::quiet_NaN();
  for (const torch::Tensor& other : {one, wider, broken}) {
    EXPECT_THROW(FrechetDistance(rows, other), InternalError);
    EXPECT_THROW(FrechetDistance(other, rows), InternalError);
    EXPECT_THROW(KernelDistance(rows, other), InternalError);
    EXPECT_THROW(NearestBalls(rows, other), InternalError);
  }
  EXPECT_THROW(FindNearest(rows, wider), InternalError);
  EXPECT_THROW(FindNearest(rows, rows.slice(0, 0, 0)), InternalError);
  EXPECT_THROW(KernelDistance(rows, rows, {.subset_size = 1}), InternalError);
  EXPECT_THROW(NearestBalls(rows, rows, 0), InternalError);
}

}  // namespace feature_metrics_test
}  // namespace genvinci
