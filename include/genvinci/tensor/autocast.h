#pragma once

#include <torch/torch.h>

#include <string>

namespace genvinci {

// While it lives, matrix products and convolutions of this thread compute in bfloat16 ("bf16") or float16 ("fp16") on
// the device, and what needs the range or digits (sums, norms, losses) in float32: PyTorch's autocast. "fp32": nothing.
class Autocast {
 public:
  Autocast(const torch::Device& device, const std::string& precision);
  // What is in force on this thread.
  static std::string Current(const torch::Device& device);
  ~Autocast();
  Autocast(const Autocast&) = delete;
  Autocast& operator=(const Autocast&) = delete;

 private:
  torch::DeviceType device_;
  bool active_, was_enabled_ = false;
  torch::ScalarType former_ = torch::kFloat32;
};

}  // namespace genvinci
