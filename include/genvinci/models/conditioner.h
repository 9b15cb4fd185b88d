#pragma once

#include <torch/torch.h>

#include <memory>

#include "genvinci/models/model_options.h"

namespace genvinci {

// What the UNet is conditioned by.
struct Condition {
  torch::Tensor context_BLD;  // (B, context_tokens, context_dim)
  torch::Tensor time_BT;      // (B, time_dim), added to the timestep embedding
  torch::Tensor semantic_BE =
      {};  // (B, semantic_dim), compared with the image's embedding in training; may be undefined
};

class ConditionerImpl : public torch::nn::Module {
 public:
  // hidden_BLD: the transformer's last hidden state; tokens_BL: its input (0 = <pad>).
  virtual Condition forward(const torch::Tensor& hidden_BLD, const torch::Tensor& tokens_BL) = 0;
  // True: tokens must be padded to the transformer's max_tokens (the reference's conditioner mixes all positions).
  virtual bool needs_full_length() const = 0;
};

// The visible registry of conditioners: "genvinci" | "pooled".
std::shared_ptr<ConditionerImpl> MakeConditioner(const ConditionerConfig& config,
                                                 const GeneTransformerConfig& transformer);

}  // namespace genvinci
