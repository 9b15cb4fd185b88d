#include "genvinci/training/engine/ema.h"

#include <algorithm>

#include "genvinci/core/error.h"

namespace genvinci {

Ema::Ema(const NamedTensors& parameters, double decay, bool on_host) : decay_(decay), on_host_(on_host) {
  if (!enabled()) return;
  for (const auto& [name, parameter] : parameters) {
    names_.push_back(name);
    parameters_.push_back(parameter);
    averages_.push_back(on_host ? parameter.detach().to(torch::kCPU, /*non_blocking=*/false, /*copy=*/true)
                                : parameter.detach().clone());
  }
}

void Ema::Update(int64_t n) {
  if (!enabled()) return;
  const torch::NoGradGuard no_grad;
  const double warm = (1.0 + static_cast<double>(n)) / (10.0 + static_cast<double>(n));
  const double share = 1 - std::min(decay_, warm);
  if (!on_host_) return at::_foreach_lerp_(averages_, parameters_, share);
  for (size_t i = 0; i < averages_.size(); ++i) averages_[i].lerp_(parameters_[i].detach().to(torch::kCPU), share);
}

NamedTensors Ema::State() const {
  NamedTensors state;
  for (size_t i = 0; i < names_.size(); ++i) state.emplace_back(names_[i], averages_[i]);
  return state;
}

void Ema::Load(const SafetensorsFile& file, const fs::path& path) {
  for (size_t i = 0; i < names_.size(); ++i) {
    if (!file.Has(names_[i]) || torch::IntArrayRef(file.View(names_[i]).shape) != averages_[i].sizes())
      throw DataError("CKPT_TENSORS", "{}: {} is missing or of another shape", path.string(), names_[i]);
  }
  for (size_t i = 0; i < names_.size(); ++i) averages_[i].copy_(ToTensor(file.View(names_[i])));
}

void Ema::Swap() {
  const torch::NoGradGuard no_grad;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    if (on_host_) {
      const torch::Tensor values = parameters_[i].detach().to(torch::kCPU, /*non_blocking=*/false, /*copy=*/true);
      parameters_[i].copy_(averages_[i]);
      averages_[i] = values;
      continue;
    }
    const torch::Tensor values = parameters_[i].detach();
    parameters_[i].set_data(averages_[i]);
    averages_[i] = values;
  }
}

}  // namespace genvinci
