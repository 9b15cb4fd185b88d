#pragma once

#include <torch/torch.h>

namespace genvinci {

// Drop-out and batch statistics of a module are off while it lives.
class EvalGuard {
 public:
  explicit EvalGuard(torch::nn::Module& module) : module_(module), was_training_(module.is_training()) {
    module_.eval();
  }
  ~EvalGuard() { module_.train(was_training_); }
  EvalGuard(const EvalGuard&) = delete;
  EvalGuard& operator=(const EvalGuard&) = delete;

 private:
  torch::nn::Module& module_;
  bool was_training_;
};

}  // namespace genvinci
