#pragma once

#include <string>
#include <vector>

#include "genvinci/core/json.h"
#include "genvinci/genes/profile_tokens.h"
#include "genvinci/genes/vocabulary.h"
#include "genvinci/training/training_options.h"

namespace genvinci {

// Token lists for pretraining.
struct PretrainData {
  std::string name;  // of the run's folder
  Vocabulary vocabulary;
  ProfileTokens train, val, test;
  std::vector<std::string> train_names;  // obs_names; empty for .dataset folders
  Json facts;                            // fingerprints and counts
  std::string earlier_fingerprint = {};  // Dataset's, of a dataset folder
  int64_t train_items = 0;               // of the whole training part, of which a dry run has an excerpt
};

// From a dataset folder, or from Geneformer's `.dataset` folders: a path that ends in .dataset or holds state.json (no
// val part), or a folder that holds train.dataset and perhaps val.dataset. Profiles are cut at the transformer's
// max_tokens. DataError: LENGTHS (lengths_file does not fit), PROFILE_EMPTY, ARROW_*, DATASET_*.
PretrainData LoadPretrainData(const PretrainOptions& options);

// DataError TOKENS_VOCABULARY for lists of another Geneformer's tokens, which would mean other genes: V2's begin with
// <cls> and end with <eos>, tokens 2 and 3, which are genes in V1.
void RequireFrame(const fs::path& source, const Vocabulary& vocabulary, const TokenLists& lists);

}  // namespace genvinci
