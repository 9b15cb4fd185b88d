#pragma once

#include <torch/torch.h>

#include "genvinci/data/dataset.h"
#include "genvinci/genes/profile_tokens.h"
#include "genvinci/genes/vocabulary.h"

namespace genvinci {

// The tokens of every observation, with a log line on their coverage.
ProfileTokens TokensOf(const Dataset& dataset, const Vocabulary& vocabulary, int64_t max_tokens);

// The optimizer passes over its parameters.
void Freeze(torch::nn::Module& module);

}  // namespace genvinci
