#pragma once

#include <torch/torch.h>

#include <memory>
#include <optional>
#include <vector>

#include "genvinci/diffusion/condition_table.h"
#include "genvinci/diffusion/pipeline.h"
#include "genvinci/training/feeds/profile_store.h"

namespace genvinci {

// The conditions that a pipeline is trained or validated on: of some observations of a dataset, by their genes or
// vectors, with their neighbours where the pipeline reads these.
class ConditionFeed {
 public:
  // tokens: of every observation of the dataset; empty where the pipeline reads no genes.
  ConditionFeed(Pipeline pipeline, std::shared_ptr<ConditionTable> table, std::vector<int64_t> observations,
                const ProfileTokens& tokens, bool transformer_is_frozen);

  // `items`: positions in `observations`.
  Condition Read(const std::vector<int64_t>& items);
  // The same with a share of each profile's tokens left out.
  Condition ReadDropped(const std::vector<int64_t>& items, double gene_dropout, ItemDraws& draws);

 private:
  Pipeline pipeline_;
  std::shared_ptr<ConditionTable> table_;
  std::vector<int64_t> observations_;
  std::optional<ProfileStore> profiles_;
};

}  // namespace genvinci
