#pragma once

#include <torch/torch.h>

#include <filesystem>
#include <string>

#include "genvinci/tensor/convert.h"

namespace genvinci {

// max |a - b| / max |b|; infinite where shapes differ or a value is not finite.
inline double RelativeDifference(const torch::Tensor& a, const torch::Tensor& b) {
  if (a.sizes() != b.sizes() || !a.isfinite().all().item<bool>()) return std::numeric_limits<double>::infinity();
  const torch::Tensor expected = b.to(torch::kFloat64);
  return ((a.to(torch::kFloat64) - expected).abs().max() / expected.abs().max()).item<double>();
}

// tests/<module>/data/<name>.safetensors.
class GoldenTensors {
 public:
  GoldenTensors(const std::string& module, const std::string& name)
      : path_(std::filesystem::path(GENVINCI_SOURCE_DIR) / "tests" / module / "data" / (name + ".safetensors")),
        file_(path_) {}

  torch::Tensor operator[](const std::string& name) const { return ToTensor(file_.View(name)); }
  // The tensors called "model.*", which must be all of the module's and no more.
  void LoadInto(torch::nn::Module& module) const { LoadState(module, "model", file_, path_); }

 private:
  std::filesystem::path path_;
  SafetensorsFile file_;
};

}  // namespace genvinci
