#pragma once

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <set>
#include <string>

#include "testing/tensors.h"

namespace genvinci {

inline int64_t CountParameters(const torch::nn::Module& module) {
  int64_t count = 0;
  for (const torch::Tensor& parameter : module.parameters()) count += parameter.numel();
  return count;
}

// So that branches which start at zero take part.
inline void Randomise(torch::nn::Module& module) {
  const torch::NoGradGuard no_grad;
  for (torch::Tensor& parameter : module.parameters()) parameter.add_(torch::randn_like(parameter) * 0.05);
}

// Every parameter has a finite gradient, and one other than zero unless `flat` names it.
inline void ExpectGradients(const torch::nn::Module& module, const std::set<std::string>& flat = {}) {
  for (const auto& item : module.named_parameters()) {
    const torch::Tensor& gradient = item.value().grad();
    ASSERT_TRUE(gradient.defined()) << item.key();
    EXPECT_TRUE(gradient.isfinite().all().item<bool>()) << item.key();
    EXPECT_TRUE(flat.count(item.key()) > 0 || gradient.abs().max().item<double>() > 0) << item.key();
  }
}

}  // namespace genvinci
