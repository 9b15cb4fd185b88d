#include "genvinci/studies/common/image_readers.h"

#include <array>
#include <cmath>
#include <limits>

#include "genvinci/metrics/bootstrap.h"

namespace genvinci {
namespace {

constexpr std::array<double, 6> kPenalties = {1e-4, 1e-3, 1e-2, 1e-1, 1, 10};  // a row
constexpr double kUsualPenalty = 1e-2;
constexpr int64_t kIterations = 100;

torch::Tensor Scale(const torch::Tensor& features_NF) { return features_NF.std(0, /*unbiased=*/false).clamp_min(1e-6); }

double BalancedAccuracy(const torch::Tensor& truth_N, const torch::Tensor& predicted_N) {
  const torch::Tensor once = torch::ones({1, truth_N.size(0)}, torch::kFloat64);
  return BalancedAccuracies(truth_N, predicted_N, once).item<double>();
}

// Weights that let each class of the labels sum to the same.
torch::Tensor ClassWeights(const torch::Tensor& labels_N, int64_t classes) {
  const torch::Tensor counts_C = torch::bincount(labels_N, {}, classes).to(torch::kFloat64);
  const int64_t present = (counts_C > 0).sum().item<int64_t>();
  return static_cast<double>(labels_N.size(0)) / static_cast<double>(present) / counts_C.clamp_min(1);
}

struct Logistic {
  torch::Tensor weights_FC, bias_C;
};

Logistic FitLogistic(const torch::Tensor& x_NF, const torch::Tensor& labels_N, int64_t classes, double penalty) {
  const torch::AutoGradMode with_gradients(/*enabled=*/true);
  const auto options = torch::TensorOptions().dtype(torch::kFloat64).requires_grad(true);
  Logistic fit{torch::zeros({x_NF.size(1), classes}, options), torch::zeros({classes}, options)};
  const torch::Tensor class_weights_C = ClassWeights(labels_N, classes);
  torch::optim::LBFGS optimizer({fit.weights_FC, fit.bias_C},
                                torch::optim::LBFGSOptions(1).max_iter(kIterations).line_search_fn("strong_wolfe"));
  optimizer.step([&] {
    optimizer.zero_grad();
    const torch::Tensor logits_NC = torch::matmul(x_NF, fit.weights_FC) + fit.bias_C;
    const torch::Tensor loss =
        torch::cross_entropy_loss(logits_NC, labels_N, class_weights_C) + penalty * fit.weights_FC.square().sum() / 2;
    loss.backward();
    return loss;
  });
  return {fit.weights_FC.detach(), fit.bias_C.detach()};
}

torch::Tensor FitRidge(const torch::Tensor& x_NF, const torch::Tensor& y_NT, double penalty) {
  const double n = static_cast<double>(x_NF.size(0));
  const torch::Tensor gram_FF = torch::matmul(x_NF.t(), x_NF) / n + penalty * torch::eye(x_NF.size(1), torch::kFloat64);
  return torch::linalg_solve(gram_FF, torch::matmul(x_NF.t(), y_NT) / n);
}

}  // namespace

LabelReader::LabelReader(const ReaderPart& train, const ReaderPart& val, int64_t classes)
    : mean_F_(train.features_NF.mean(0)), scale_F_(Scale(train.features_NF)), val_accuracy_(std::nan("")) {
  const torch::Tensor labelled_N = train.target >= 0;
  const torch::Tensor x_NF = ((train.features_NF - mean_F_) / scale_F_).index({labelled_N});
  const torch::Tensor labels_N = train.target.index({labelled_N});
  const auto fit = [&](double penalty) {
    const Logistic logistic = FitLogistic(x_NF, labels_N, classes, penalty);
    weights_FC_ = logistic.weights_FC;
    bias_C_ = logistic.bias_C;
  };
  double best = kUsualPenalty;
  if (val.target.numel() > 0 && (val.target >= 0).any().item<bool>()) {
    for (const double penalty : kPenalties) {
      fit(penalty);
      const double accuracy = BalancedAccuracy(val.target, Read(val.features_NF));
      if (std::isnan(val_accuracy_) || accuracy > val_accuracy_) best = penalty, val_accuracy_ = accuracy;
    }
  }
  fit(best);
}

torch::Tensor LabelReader::Read(const torch::Tensor& features_NF) const {
  return (torch::matmul((features_NF - mean_F_) / scale_F_, weights_FC_) + bias_C_).argmax(1);
}

ValueReader::ValueReader(const ReaderPart& train, const ReaderPart& val)
    : mean_F_(train.features_NF.mean(0)), scale_F_(Scale(train.features_NF)), mean_T_(train.target.mean(0)) {
  const torch::Tensor x_NF = (train.features_NF - mean_F_) / scale_F_;
  const torch::Tensor y_NT = train.target - mean_T_;
  double best = kUsualPenalty, least = std::numeric_limits<double>::infinity();
  if (val.target.numel() > 0) {
    for (const double penalty : kPenalties) {
      weights_FT_ = FitRidge(x_NF, y_NT, penalty);
      const double error = (Read(val.features_NF) - val.target).square().mean().item<double>();
      if (error < least) best = penalty, least = error;
    }
  }
  weights_FT_ = FitRidge(x_NF, y_NT, best);
}

torch::Tensor ValueReader::Read(const torch::Tensor& features_NF) const {
  return torch::matmul((features_NF - mean_F_) / scale_F_, weights_FT_) + mean_T_;
}

}  // namespace genvinci
