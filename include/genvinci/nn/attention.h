#pragma once

#include <torch/torch.h>

namespace genvinci {

// Additive mask (B, 1, 1, L) of `dtype`: 0 where tokens_BL (or a mask) is not 0 (<pad>), else the least finite number,
// so that a row of nothing but padding stays finite.
torch::Tensor PaddingMask(const torch::Tensor& tokens_BL, torch::ScalarType dtype);

struct AttentionSettings {
  int64_t heads = 1;
  torch::Tensor mask;  // additive or bool, broadcast to (B, heads, Lq, Lk); may be undefined
  double dropout = 0;  // of the attention weights; 0 when not training
};

// softmax(q k^T / sqrt(C / heads)) v (Vaswani et al. 2017): q (B, Lq, C), k and v (B, Lk, C) -> (B, Lq, C).
torch::Tensor Attend(const torch::Tensor& q_BLC, const torch::Tensor& k_BLC, const torch::Tensor& v_BLC,
                     const AttentionSettings& settings);

}  // namespace genvinci
