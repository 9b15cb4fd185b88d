#pragma once

#include <torch/torch.h>

#include "genvinci/models/model_options.h"

namespace genvinci {

// BERT, post-norm, ReLU, learned absolute positions, type vocabulary 2 (all zero), LayerNorm eps 1e-12, tied decoder.
class GeneTransformerImpl : public torch::nn::Module {
 public:
  explicit GeneTransformerImpl(const GeneTransformerConfig& config);

  // tokens_BL int64 (0 = <pad>), L <= max_tokens; mask is tokens != 0. Returns the last hidden state (B, L, hidden).
  torch::Tensor forward(const torch::Tensor& tokens_BL);
  // Masked-language head (dense, ReLU, LayerNorm, tied decoder with bias) of the hidden states at some positions.
  torch::Tensor MlmLogits(const torch::Tensor& hidden_ND);  // (N, vocabulary)

  const GeneTransformerConfig& config() const { return config_; }

 private:
  GeneTransformerConfig config_;
};
TORCH_MODULE(GeneTransformer);

}  // namespace genvinci
