#pragma once

#include <torch/torch.h>

#include <vector>

#include "genvinci/distributed/rank_group.h"
#include "genvinci/tensor/convert.h"

namespace genvinci {

struct AdamWOptions {
  double weight_decay = 0.01;
  double beta1 = 0.9, beta2 = 0.999;
  double eps = 1e-8;
  bool zero = false;
};

// AdamW (Loshchilov & Hutter 2019), one kernel over all parameters; the numbers are those of torch's own. Weights of
// two or more axes decay, biases and norms (one axis) do not. A parameter without a gradient stays as it is.
//
// With several ranks every rank makes the same update, or, with `zero`, that of its share of the parameters (about
// equally many values each), which it then sends to the others: stage 1 of ZeRO (Rajbhandari et al. 2020). The numbers
// are the same to the last bit, and so is the saved state.
class AdamW {
 public:
  AdamW(NamedTensors parameters, const AdamWOptions& options);  // one rank alone
  AdamW(NamedTensors parameters, const AdamWOptions& options, RankGroup& ranks);

  void ZeroGrad();
  // Of all gradients together.
  double GradientNorm() const;
  // Scales the gradients, whose norm is `norm`, so that it is `largest` at most (0: left as they are).
  void ClipGradients(double norm, double largest);
  void ScaleGradients(double factor);
  void Step(double lr);

  const NamedTensors& parameters() const { return parameters_; }
  // "exp_avg.<name>", "exp_avg_sq.<name>" and "steps", one a parameter; on every rank at once, which gathers what is
  // spread. Only the main rank's is whole.
  NamedTensors State() const;
  // Bytes of state that this rank holds.
  int64_t bytes() const;
  // DataError CKPT_TENSORS for another set of parameters.
  void Load(const SafetensorsFile& file, const fs::path& path);

 private:
  struct Moments {
    torch::Tensor exp_avg, exp_avg_sq, steps;
  };
  std::vector<torch::Tensor> Gradients() const;
  bool Owns(size_t parameter) const { return owners_[parameter] == rank_; }
  void SendUpdates();
  torch::Tensor Gathered(const torch::Tensor& mine, size_t parameter) const;

  NamedTensors parameters_;
  AdamWOptions options_;
  RankGroup* ranks_;
  int rank_ = 0;
  std::vector<int> owners_;       // all this rank without ZeRO
  std::vector<Moments> moments_;  // undefined where another rank owns them
};

}  // namespace genvinci
