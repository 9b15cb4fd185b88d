#include "genvinci/training/adamw.h"

#include <cmath>

#include "genvinci/core/error.h"

namespace genvinci {
namespace {

// The kernel's lists, of the parameters that have a gradient.
struct Lists {
  std::vector<torch::Tensor> parameters, gradients, exp_avgs, exp_avg_sqs, steps;
};

// The kernel walks through memory: a gradient must lie in it as its parameter does.
torch::Tensor GradientAsLaidOut(const torch::Tensor& parameter) {
  const torch::Tensor gradient = parameter.grad();
  if (gradient.strides() == parameter.strides()) return gradient;
  return torch::empty_like(parameter).copy_(gradient);
}

}  // namespace

AdamW::AdamW(NamedTensors parameters, const AdamWOptions& options)
    : parameters_(std::move(parameters)), options_(options) {
  for (const auto& [name, parameter] : parameters_) {
    GENVINCI_CHECK(parameter.is_non_overlapping_and_dense(), "{}", name);
    const torch::Tensor values = parameter.detach();
    moments_.push_back({torch::zeros_like(values), torch::zeros_like(values),
                        torch::zeros({}, values.options().dtype(torch::kFloat32))});
  }
}

void AdamW::ZeroGrad() {
  for (auto& [name, parameter] : parameters_) parameter.mutable_grad().reset();
}

double AdamW::ClipGradients(double largest) {
  const torch::NoGradGuard no_grad;
  std::vector<torch::Tensor> gradients;
  for (const auto& [name, parameter] : parameters_) {
    if (parameter.grad().defined()) gradients.push_back(parameter.grad());
  }
  if (gradients.empty()) return 0;
  const double norm = at::stack(at::_foreach_norm(gradients, 2)).norm().item<double>();
  if (largest > 0 && std::isfinite(norm) && norm > largest) at::_foreach_mul_(gradients, largest / (norm + 1e-6));
  return norm;
}

void AdamW::Step(double lr) {
  const torch::NoGradGuard no_grad;
  for (const bool decays : {true, false}) {
    Lists lists;
    for (size_t i = 0; i < parameters_.size(); ++i) {
      const torch::Tensor& parameter = parameters_[i].second;
      if (!parameter.grad().defined() || (parameter.dim() > 1) != decays) continue;
      lists.parameters.push_back(parameter);
      lists.gradients.push_back(GradientAsLaidOut(parameter));
      lists.exp_avgs.push_back(moments_[i].exp_avg);
      lists.exp_avg_sqs.push_back(moments_[i].exp_avg_sq);
      lists.steps.push_back(moments_[i].steps);
    }
    if (lists.parameters.empty()) continue;
    at::_foreach_add_(lists.steps, 1);
    at::_fused_adamw_(lists.parameters, lists.gradients, lists.exp_avgs, lists.exp_avg_sqs, {}, lists.steps, lr,
                      options_.beta1, options_.beta2, decays ? options_.weight_decay : 0, options_.eps,
                      /*amsgrad=*/false, /*maximize=*/false);
  }
}

NamedTensors AdamW::State() const {
  NamedTensors state;
  std::vector<torch::Tensor> steps;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    state.emplace_back("exp_avg." + parameters_[i].first, moments_[i].exp_avg);
    state.emplace_back("exp_avg_sq." + parameters_[i].first, moments_[i].exp_avg_sq);
    steps.push_back(moments_[i].steps.to(torch::kCPU));
  }
  state.emplace_back("steps", torch::stack(steps));
  return state;
}

void AdamW::Load(const SafetensorsFile& file, const fs::path& path) {
  const torch::NoGradGuard no_grad;
  NamedTensors state = State();
  for (const auto& [name, tensor] : state) {
    if (!file.Has(name) || torch::IntArrayRef(file.View(name).shape) != tensor.sizes() ||
        file.names().size() != state.size())
      throw DataError("CKPT_TENSORS",
                      "{}: does not fit the parameters that are trained (at {}): resume with the models "
                      "it was saved from",
                      path.string(), name);
  }
  for (size_t i = 0; i < parameters_.size(); ++i) {
    moments_[i].exp_avg.copy_(ToTensor(file.View("exp_avg." + parameters_[i].first)));
    moments_[i].exp_avg_sq.copy_(ToTensor(file.View("exp_avg_sq." + parameters_[i].first)));
    moments_[i].steps.copy_(ToTensor(file.View("steps"))[static_cast<int64_t>(i)]);
  }
}

}  // namespace genvinci
