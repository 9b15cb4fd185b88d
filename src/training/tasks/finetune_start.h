#pragma once

#include <torch/torch.h>

#include <memory>
#include <vector>

#include "genvinci/checkpoint/run_state.h"
#include "genvinci/diffusion/condition_table.h"
#include "genvinci/diffusion/pipeline.h"
#include "genvinci/distributed/rank_group.h"
#include "genvinci/genes/vocabulary.h"
#include "genvinci/training/feeds/image_data.h"
#include "genvinci/training/training_options.h"

namespace genvinci {

// The pipeline at step 0 and what it was made from.
struct FinetuneStart {
  Pipeline pipeline{nullptr};
  Vocabulary vocabulary;
  Sources sources = {};
  ProfileTokens tokens = {};  // of every observation; none where no genes are read
  std::shared_ptr<ConditionTable> table = nullptr;
  torch::Tensor embeddings_NE = {};  // of the training images, with a semantic loss
};

// From the options' runs and weights. ConfigError and DataError where they do not go together.
FinetuneStart MakeFinetuneStart(const FinetuneOptions& options, const Dataset& dataset, const ImageData& data,
                                RankGroup& ranks);

}  // namespace genvinci
