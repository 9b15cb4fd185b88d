#pragma once

#include <torch/torch.h>

#include <vector>

#include "genvinci/tensor/convert.h"

namespace genvinci {

// Exponential moving average of parameters, with a warm-up: the decay of update n (from 0) is
// min(decay, (1 + n) / (10 + n)). A decay of 0 means none: nothing is kept. The averages lie where the parameters do,
// or in the host's memory, where each update copies the parameters to.
class Ema {
 public:
  Ema(const NamedTensors& parameters, double decay, bool on_host = false);

  bool enabled() const { return decay_ > 0; }
  void Update(int64_t n);
  NamedTensors State() const;                                    // the averages, by their parameters' names
  void Load(const SafetensorsFile& file, const fs::path& path);  // DataError CKPT_TENSORS

  // The averages stand in the parameters' place while it lives.
  class Applied {
   public:
    explicit Applied(Ema& ema) : ema_(ema) { ema_.Swap(); }
    ~Applied() { ema_.Swap(); }
    Applied(const Applied&) = delete;
    Applied& operator=(const Applied&) = delete;

   private:
    Ema& ema_;
  };

 private:
  void Swap();

  double decay_;
  bool on_host_;
  std::vector<std::string> names_;
  std::vector<torch::Tensor> parameters_, averages_;
};

}  // namespace genvinci
