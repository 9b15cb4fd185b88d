#pragma once

#include <torch/torch.h>

#include <vector>

#include "genvinci/tensor/convert.h"

namespace genvinci {

struct AdamWOptions {
  double weight_decay = 0.01;
  double beta1 = 0.9, beta2 = 0.999;
  double eps = 1e-8;
};

// AdamW (Loshchilov & Hutter 2019), one kernel over all parameters; the numbers are those of torch's own. Weights of
// two or more axes decay, biases and norms (one axis) do not. A parameter without a gradient stays as it is.
class AdamW {
 public:
  AdamW(NamedTensors parameters, const AdamWOptions& options);

  void ZeroGrad();
  // The norm of all gradients together; they are scaled so that it is `largest` at most (0: left as they are).
  double ClipGradients(double largest);
  void Step(double lr);

  const NamedTensors& parameters() const { return parameters_; }
  // "exp_avg.<name>", "exp_avg_sq.<name>" and "steps", one a parameter.
  NamedTensors State() const;
  // DataError CKPT_TENSORS for another set of parameters.
  void Load(const SafetensorsFile& file, const fs::path& path);

 private:
  struct Moments {
    torch::Tensor exp_avg, exp_avg_sq, steps;
  };
  NamedTensors parameters_;
  AdamWOptions options_;
  std::vector<Moments> moments_;
};

}  // namespace genvinci
