#pragma once

#include <torch/torch.h>

#include <memory>
#include <vector>

#include "genvinci/models/model_options.h"
#include "genvinci/models/vector_tokens.h"

namespace genvinci {

// What conditioners read of B observations; a conditioner of vectors reads no genes, and the others no vector.
struct EncodedProfiles {
  torch::Tensor hidden_BLD = {};  // the gene transformer's last hidden state
  torch::Tensor tokens_BL = {};   // its input (0 = <pad>)
  torch::Tensor vector_BV = {};
};

// What the UNet is conditioned by.
struct Condition {
  torch::Tensor context_BLD;       // (B, context_tokens, context_dim)
  torch::Tensor time_BT;           // (B, time_dim), added to the timestep embedding
  torch::Tensor semantic_BE = {};  // (B, semantic_dim), compared with the image's embedding in training; or undefined
  // The extra condition, where there is one: it stands behind the context, and is added to the time embedding too.
  ConditionTokens second = {};

  // Those of some observations: rows_B (int64), in this order.
  Condition Rows(const torch::Tensor& rows_B) const;
  // One after another; without semantic_BE.
  static Condition Cat(const std::vector<Condition>& conditions);
};

class ConditionerImpl : public torch::nn::Module {
 public:
  virtual Condition forward(const EncodedProfiles& profiles) = 0;
  // True: tokens must be padded to the transformer's max_tokens (the reference's conditioner mixes all positions).
  virtual bool needs_full_length() const = 0;
};

// The visible registry of conditioners: "genvinci" | "pooled" | "vector".
std::shared_ptr<ConditionerImpl> MakeConditioner(const ConditionerConfig& config,
                                                 const GeneTransformerConfig& transformer);

}  // namespace genvinci
