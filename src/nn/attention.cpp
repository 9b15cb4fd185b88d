#include "genvinci/nn/attention.h"

#include <limits>
#include <optional>

namespace genvinci {
namespace {

torch::Tensor SplitHeads(const torch::Tensor& x_BLC, int64_t heads) {
  return x_BLC.unflatten(2, {heads, x_BLC.size(2) / heads}).transpose(1, 2);
}

double LeastFinite(torch::ScalarType dtype) {
  // float16 ends at -65,504.
  return dtype == torch::kFloat32 || dtype == torch::kFloat64 ? std::numeric_limits<float>::lowest() : -6e4;
}

}  // namespace

torch::Tensor PaddingMask(const torch::Tensor& tokens_BL, torch::ScalarType dtype) {
  const torch::Tensor pad_BL = tokens_BL == 0;
  const auto options = torch::TensorOptions().dtype(dtype).device(tokens_BL.device());
  const torch::Tensor mask_BL = torch::zeros(tokens_BL.sizes(), options).masked_fill_(pad_BL, LeastFinite(dtype));
  return mask_BL.unsqueeze(1).unsqueeze(1);
}

torch::Tensor Attend(const torch::Tensor& q_BLC, const torch::Tensor& k_BLC, const torch::Tensor& v_BLC,
                     const AttentionSettings& settings) {
  const auto mask = settings.mask.defined() ? std::make_optional(settings.mask) : std::nullopt;
  const torch::Tensor out_BHLC =
      at::scaled_dot_product_attention(SplitHeads(q_BLC, settings.heads), SplitHeads(k_BLC, settings.heads),
                                       SplitHeads(v_BLC, settings.heads), mask, settings.dropout);
  return out_BHLC.transpose(1, 2).flatten(2);
}

}  // namespace genvinci
