#include "genvinci/training/feeds/gene_tokens.h"

#include "genvinci/core/log.h"
#include "genvinci/data/tokens.h"

namespace genvinci {

ProfileTokens TokensOf(const Dataset& dataset, const Vocabulary& vocabulary, int64_t max_tokens) {
  const TokenizedDataset tokenized = TokenizeDataset(dataset, vocabulary, max_tokens);
  Log("{}: {}", dataset.path().string(), tokenized.coverage.Text());
  return tokenized.tokens;
}

void Freeze(torch::nn::Module& module) {
  for (auto& parameter : module.parameters()) parameter.set_requires_grad(false);
}

}  // namespace genvinci
