#include "genvinci/training/engine/adamw.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "genvinci/core/error.h"

namespace genvinci {
namespace {

// The kernel's lists, of the parameters that have a gradient.
struct GradientLists {
  std::vector<torch::Tensor> parameters, gradients, exp_avgs, exp_avg_sqs, steps;
};

// The kernel walks through memory: a gradient must lie in it as its parameter does.
torch::Tensor GradientAsLaidOut(const torch::Tensor& parameter) {
  const torch::Tensor gradient = parameter.grad();
  if (gradient.strides() == parameter.strides()) return gradient;
  return torch::empty_like(parameter).copy_(gradient);
}

// The largest first, each to whoever has least so far.
std::vector<int> Shares(const NamedTensors& parameters, int world) {
  std::vector<size_t> order(parameters.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return parameters[a].second.numel() > parameters[b].second.numel(); });
  std::vector<int64_t> loads(static_cast<size_t>(world), 0);
  std::vector<int> owners(parameters.size());
  for (const size_t i : order) {
    const auto least = std::min_element(loads.begin(), loads.end());
    *least += parameters[i].second.numel();
    owners[i] = static_cast<int>(least - loads.begin());
  }
  return owners;
}

}  // namespace

AdamW::AdamW(NamedTensors parameters, const AdamWOptions& options)
    : parameters_(std::move(parameters)), options_(options), ranks_(nullptr), owners_(parameters_.size(), 0) {
  for (const auto& [name, parameter] : parameters_) {
    GENVINCI_CHECK(parameter.is_non_overlapping_and_dense(), "{}", name);
    const torch::Tensor values = parameter.detach();
    moments_.push_back({torch::zeros_like(values), torch::zeros_like(values),
                        torch::zeros({}, values.options().dtype(torch::kFloat32))});
  }
}

AdamW::AdamW(NamedTensors parameters, const AdamWOptions& options, RankGroup& ranks)
    : AdamW(std::move(parameters), options) {
  if (!options.zero || ranks.world() == 1) return;
  ranks_ = &ranks;
  rank_ = ranks.rank();
  owners_ = Shares(parameters_, ranks.world());
  for (size_t i = 0; i < moments_.size(); ++i) {
    if (!Owns(i)) moments_[i] = {};
  }
}

void AdamW::ZeroGrad() {
  for (auto& [name, parameter] : parameters_) parameter.mutable_grad().reset();
}

std::vector<torch::Tensor> AdamW::Gradients() const {
  std::vector<torch::Tensor> gradients;
  for (const auto& [name, parameter] : parameters_) {
    if (parameter.grad().defined()) gradients.push_back(parameter.grad());
  }
  return gradients;
}

double AdamW::GradientNorm() const {
  const torch::NoGradGuard no_grad;
  const std::vector<torch::Tensor> gradients = Gradients();
  return gradients.empty() ? 0 : at::stack(at::_foreach_norm(gradients, 2)).norm().item<double>();
}

void AdamW::ClipGradients(double norm, double largest) {
  const torch::NoGradGuard no_grad;
  const std::vector<torch::Tensor> gradients = Gradients();
  if (!gradients.empty() && largest > 0 && std::isfinite(norm) && norm > largest)
    at::_foreach_mul_(gradients, largest / (norm + 1e-6));
}

void AdamW::ScaleGradients(double factor) {
  const torch::NoGradGuard no_grad;
  const std::vector<torch::Tensor> gradients = Gradients();
  if (factor != 1 && !gradients.empty()) at::_foreach_mul_(gradients, factor);
}

void AdamW::Step(double lr) {
  const torch::NoGradGuard no_grad;
  for (const bool decays : {true, false}) {
    GradientLists lists;
    for (size_t i = 0; i < parameters_.size(); ++i) {
      const torch::Tensor& parameter = parameters_[i].second;
      if (!Owns(i) || !parameter.grad().defined() || (parameter.dim() > 1) != decays) continue;
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
  if (ranks_) SendUpdates();
}

// All parameters of a rank as one message.
void AdamW::SendUpdates() {
  for (int owner = 0; owner < ranks_->world(); ++owner) {
    std::vector<torch::Tensor> parts, flat;
    for (size_t i = 0; i < parameters_.size(); ++i) {
      if (owners_[i] == owner) parts.push_back(parameters_[i].second.detach());
    }
    if (parts.empty()) continue;
    for (const torch::Tensor& part : parts) flat.push_back(part.reshape({-1}));
    torch::Tensor message = torch::cat(flat);
    ranks_->Broadcast(message, owner);
    if (owner == rank_) continue;
    int64_t start = 0;
    for (torch::Tensor& part : parts) {
      part.copy_(message.narrow(0, start, part.numel()).view(part.sizes()));
      start += part.numel();
    }
  }
}

torch::Tensor AdamW::Gathered(const torch::Tensor& mine, size_t parameter) const {
  if (!ranks_) return mine;
  const torch::Tensor like = parameters_[parameter].second.detach();
  torch::Tensor values = Owns(parameter) ? mine.contiguous() : torch::empty(like.sizes(), like.options());
  ranks_->Broadcast(values, owners_[parameter]);
  // What only passes through need not stay.
  return ranks_->is_main() ? values.cpu() : torch::Tensor();
}

NamedTensors AdamW::State() const {
  const torch::NoGradGuard no_grad;
  NamedTensors state;
  torch::Tensor steps = torch::zeros({static_cast<int64_t>(parameters_.size())});
  for (size_t i = 0; i < parameters_.size(); ++i) {
    state.emplace_back("exp_avg." + parameters_[i].first, Gathered(moments_[i].exp_avg, i));
    state.emplace_back("exp_avg_sq." + parameters_[i].first, Gathered(moments_[i].exp_avg_sq, i));
    if (Owns(i)) steps[static_cast<int64_t>(i)] = moments_[i].steps.to(torch::kCPU);
  }
  if (ranks_) ranks_->Sum(steps);
  state.emplace_back("steps", steps);
  return state;
}

int64_t AdamW::bytes() const {
  int64_t bytes = 0;
  for (const Moments& moments : moments_) {
    if (moments.exp_avg.defined()) bytes += 2 * moments.exp_avg.numel() * moments.exp_avg.element_size();
  }
  return bytes;
}

void AdamW::Load(const SafetensorsFile& file, const fs::path& path) {
  const torch::NoGradGuard no_grad;
  const auto require = [&](const std::string& name, torch::IntArrayRef shape) {
    if (!file.Has(name) || torch::IntArrayRef(file.View(name).shape) != shape ||
        file.names().size() != 2 * parameters_.size() + 1)
      throw DataError("CKPT_TENSORS",
                      "{}: does not fit the parameters that are trained (at {}): resume with the models "
                      "it was saved from",
                      path.string(), name);
  };
  require("steps", {static_cast<int64_t>(parameters_.size())});
  for (const auto& [name, parameter] : parameters_) {
    require("exp_avg." + name, parameter.sizes());
    require("exp_avg_sq." + name, parameter.sizes());
  }
  const torch::Tensor steps = ToTensor(file.View("steps"));
  for (size_t i = 0; i < parameters_.size(); ++i) {
    if (!Owns(i)) continue;
    moments_[i].exp_avg.copy_(ToTensor(file.View("exp_avg." + parameters_[i].first)));
    moments_[i].exp_avg_sq.copy_(ToTensor(file.View("exp_avg_sq." + parameters_[i].first)));
    moments_[i].steps.copy_(steps[static_cast<int64_t>(i)]);
  }
}

}  // namespace genvinci
