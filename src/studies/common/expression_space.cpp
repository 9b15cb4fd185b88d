#include "genvinci/studies/common/expression_space.h"

#include <algorithm>
#include <cmath>

#include "genvinci/core/memory.h"
#include "genvinci/core/progress.h"

namespace genvinci {
namespace {

constexpr double kTargetSum = 1e4;
constexpr int64_t kGenes = 2000;
constexpr int64_t kComponents = 50;

// Calls use(observation, column, log-normalised value) for every count.
template <typename Use>
void ForEachValue(const Dataset& dataset, const char* what, const Use& use) {
  Progress progress(what, dataset.size(), "profiles");
  dataset.ForEachProfile([&](int64_t i, std::span<const int32_t> columns, std::span<const float> counts) {
    double total = 0;
    for (const float count : counts) total += count;
    for (size_t k = 0; k < columns.size(); ++k) use(i, columns[k], std::log1p(counts[k] * kTargetSum / total));
    progress.Add(1);
  });
}

// Columns of the genes of largest variance in the training part, the largest first.
std::vector<int64_t> VariableGenes(const Dataset& dataset, const std::vector<int64_t>& train) {
  const auto genes = static_cast<int64_t>(dataset.gene_names().size());
  std::vector<bool> in_train(static_cast<size_t>(dataset.size()));
  for (const int64_t i : train) in_train[static_cast<size_t>(i)] = true;
  torch::Tensor sums = torch::zeros({2, genes}, torch::kFloat64);
  auto sum = sums.accessor<double, 2>();
  ForEachValue(dataset, "variance of genes", [&](int64_t i, int32_t column, double value) {
    if (!in_train[static_cast<size_t>(i)]) return;
    sum[0][column] += value;
    sum[1][column] += value * value;
  });
  const auto n = static_cast<double>(train.size());
  const torch::Tensor variance = sums[1] / n - (sums[0] / n).square();
  const torch::Tensor order = variance.argsort(/*stable=*/true, /*dim=*/0, /*descending=*/true);
  const int64_t kept = std::min(kGenes, genes);
  return {order.data_ptr<int64_t>(), order.data_ptr<int64_t>() + kept};
}

torch::Tensor Values(const Dataset& dataset, const std::vector<int64_t>& genes) {
  const auto width = static_cast<int64_t>(genes.size());
  RequireMemory(static_cast<uint64_t>(2 * dataset.size() * width) * sizeof(float), "expression of all profiles",
                "leave the baselines nearest and cnn out");
  std::vector<int64_t> place(dataset.gene_names().size(), -1);
  for (size_t k = 0; k < genes.size(); ++k) place[static_cast<size_t>(genes[k])] = static_cast<int64_t>(k);
  torch::Tensor values_NG = torch::zeros({dataset.size(), width});
  auto rows = values_NG.accessor<float, 2>();
  ForEachValue(dataset, "expression", [&](int64_t i, int32_t column, double value) {
    const int64_t k = place[static_cast<size_t>(column)];
    if (k >= 0) rows[i][k] = static_cast<float>(value);
  });
  return values_NG;
}

}  // namespace

ExpressionSpace ExpressionSpace::Fit(const Dataset& dataset) {
  const std::vector<int64_t> train = dataset.Indices(Split::kTrain);
  const torch::Tensor train_N = torch::tensor(train, torch::kInt64);
  torch::Tensor values_NG = Values(dataset, VariableGenes(dataset, train));
  values_NG -= values_NG.index_select(0, train_N).mean(0);
  const torch::Tensor fitted_TG = values_NG.index_select(0, train_N).to(torch::kFloat64);
  const int64_t components = std::min({kComponents, fitted_TG.size(0), fitted_TG.size(1)});
  const torch::Tensor vectors_GG = std::get<1>(torch::linalg_eigh(torch::matmul(fitted_TG.t(), fitted_TG)));
  const torch::Tensor axes_GK = vectors_GG.flip(1).narrow(1, 0, components).to(torch::kFloat32);
  ExpressionSpace space;
  space.scores_NK = torch::matmul(values_NG, axes_GK);
  space.scale_K = space.scores_NK.index_select(0, train_N).std(0, /*unbiased=*/false).clamp_min(1e-6);
  return space;
}

}  // namespace genvinci
