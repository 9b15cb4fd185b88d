#pragma once

#include <torch/torch.h>

namespace genvinci {

// Share of the queries whose own target, that of the same number, is among the k most similar ones. similarity_NN:
// (queries, targets). A target as similar as the own one counts as nearer, so that ties bring nothing.
double RetrievalAt(const torch::Tensor& similarity_NN, int64_t k);

}  // namespace genvinci
