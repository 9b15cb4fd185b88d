#include "genvinci/studies/common/image_readers.h"

#include <gtest/gtest.h>

#include <cmath>

namespace genvinci {
namespace image_readers_test {

const torch::TensorOptions kDouble = torch::kFloat64;

ReaderPart Nothing(const torch::Tensor& like) {
  return {torch::zeros({0, 3}, kDouble), torch::zeros({0}, like.options())};
}

TEST(LabelReader, ReadsWhatIsLinear) {
  torch::manual_seed(5);
  const torch::Tensor labels = torch::randint(3, {120}, torch::kInt64);
  const torch::Tensor features = torch::randn({120, 3}, kDouble) * 0.2 + torch::one_hot(labels, 3) * 100;
  const LabelReader reader({features, labels}, Nothing(labels), 3);
  EXPECT_TRUE(reader.Read(features).equal(labels));
  EXPECT_TRUE(std::isnan(reader.val_accuracy()));
}

// 95 of one class, 5 of another, apart by less than their spread: with equal weights of the rows all would be the
// common one.
TEST(LabelReader, ClassesCountEqually) {
  torch::manual_seed(6);
  const torch::Tensor labels = (torch::arange(400) < 20).to(torch::kInt64);
  const torch::Tensor features = torch::randn({400, 3}, kDouble) + labels.unsqueeze(1);
  const torch::Tensor read = LabelReader({features, labels}, Nothing(labels), 2).Read(features);
  EXPECT_GT(read.narrow(0, 0, 20).to(kDouble).mean().item<double>(), 0.6);
  EXPECT_LT(read.narrow(0, 20, 380).to(kDouble).mean().item<double>(), 0.4);
}

TEST(LabelReader, LeavesOutRowsWithoutLabelAndReportsVal) {
  torch::manual_seed(7);
  torch::Tensor labels = torch::randint(2, {80}, torch::kInt64);
  const torch::Tensor features = torch::randn({80, 3}, kDouble) * 0.1 + labels.unsqueeze(1);
  const torch::Tensor truth = labels.clone();
  labels.narrow(0, 0, 20).fill_(-1);
  const LabelReader reader({features, labels}, {features.narrow(0, 0, 20), truth.narrow(0, 0, 20)}, 2);
  EXPECT_DOUBLE_EQ(reader.val_accuracy(), 1);
  EXPECT_TRUE(reader.Read(features).equal(truth));
}

// Ridge regression is least squares with rows sqrt(n * penalty) * identity added.
TEST(ValueReader, IsRidgeRegression) {
  torch::manual_seed(8);
  const torch::Tensor features = torch::randn({50, 3}, kDouble) * torch::tensor({1.0, 10.0, 0.1}) + 4;
  const torch::Tensor values = torch::randn({50, 2}, kDouble) + features.narrow(1, 0, 2);
  const ValueReader reader({features, values}, Nothing(values));
  const torch::Tensor x = (features - features.mean(0)) / features.std(0, /*unbiased=*/false);
  const torch::Tensor rows = torch::cat({x, std::sqrt(50 * 1e-2) * torch::eye(3, kDouble)});
  const torch::Tensor targets = torch::cat({values - values.mean(0), torch::zeros({3, 2}, kDouble)});
  const torch::Tensor weights = std::get<0>(torch::linalg_lstsq(rows, targets));
  EXPECT_TRUE(reader.Read(features).allclose(torch::matmul(x, weights) + values.mean(0), 1e-9, 1e-9));
}

TEST(ValueReader, ChoosesThePenaltyOnVal) {
  torch::manual_seed(9);
  // Noise alone: the strongest penalty is the best.
  const torch::Tensor features = torch::randn({30, 3}, kDouble), values = torch::randn({30, 1}, kDouble);
  const torch::Tensor val = torch::randn({500, 3}, kDouble);
  const ValueReader strict({features, values}, {val, torch::full({500, 1}, values.mean().item<double>(), kDouble)});
  const ValueReader usual({features, values}, Nothing(values));
  EXPECT_LT(strict.Read(val).var().item<double>(), 0.1 * usual.Read(val).var().item<double>());
}

}  // namespace image_readers_test
}  // namespace genvinci
