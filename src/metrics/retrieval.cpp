#include "genvinci/metrics/retrieval.h"

namespace genvinci {

double RetrievalAt(const torch::Tensor& similarity_NN, int64_t k) {
  const torch::Tensor own_N1 = similarity_NN.diagonal().unsqueeze(1);
  const torch::Tensor nearer_N = (similarity_NN >= own_N1).sum(1) - 1;
  return (nearer_N < k).to(torch::kFloat64).mean().item<double>();
}

}  // namespace genvinci
