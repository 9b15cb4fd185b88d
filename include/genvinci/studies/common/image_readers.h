#pragma once

#include <torch/torch.h>

#include <cstdint>

namespace genvinci {

// What is read from images, by linear maps of their domain features that are fitted on real training patches alone.
// Features are standardised by the training part's mean and deviation. The strength of the regularisation is chosen on
// val, or fixed where there is no val part.

struct ReaderPart {
  torch::Tensor features_NF;  // float64
  torch::Tensor target;       // classes (N) int64, -1: none; or values (N, T) float64
};

// Multinomial logistic regression with an L2 penalty, classes weighted to count equally; chosen by balanced accuracy.
class LabelReader {
 public:
  LabelReader(const ReaderPart& train, const ReaderPart& val, int64_t classes);
  torch::Tensor Read(const torch::Tensor& features_NF) const;  // (N) int64
  double val_accuracy() const { return val_accuracy_; }        // balanced; NaN without a val part

 private:
  torch::Tensor mean_F_, scale_F_, weights_FC_, bias_C_;
  double val_accuracy_;
};

// Ridge regression, chosen by squared error.
class ValueReader {
 public:
  ValueReader(const ReaderPart& train, const ReaderPart& val);
  torch::Tensor Read(const torch::Tensor& features_NF) const;  // (N, T)

 private:
  torch::Tensor mean_F_, scale_F_, mean_T_, weights_FT_;
};

}  // namespace genvinci
