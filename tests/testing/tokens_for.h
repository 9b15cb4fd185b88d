#pragma once

#include <torch/torch.h>

#include <vector>

#include "genvinci/diffusion/pipeline.h"
#include "genvinci/models/profile_embedder.h"

namespace genvinci {

// Padded as the pipeline's conditioner needs them.
inline torch::Tensor TokensFor(Pipeline pipeline, const std::vector<std::vector<int32_t>>& lists) {
  return PadTokens(ProfileTokens::Of(lists), pipeline->config().models.transformer.max_tokens,
                   pipeline->conditioner->needs_full_length());
}

}  // namespace genvinci
