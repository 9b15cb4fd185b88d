#pragma once

#include <torch/torch.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "genvinci/data/dataset.h"
#include "genvinci/data/tokens.h"
#include "genvinci/diffusion/condition_table.h"
#include "genvinci/distributed/rank_group.h"
#include "genvinci/generation/generate_options.h"
#include "genvinci/weights/load_runs.h"
#include "sample_ranker.h"

namespace genvinci {

// What drawing and extracting share: one dataset, one checkpoint, opened once.
struct GenerationJob {
  GenerateOptions options;
  RankGroup& ranks;  // each draws its share; the main one writes
  Dataset dataset;
  LoadedPipeline loaded;
  std::optional<ProfileEmbedder> profiles;  // nothing where no genes are read
  std::shared_ptr<ConditionTable> table;
  std::shared_ptr<SampleRanker> ranker = nullptr;  // with options.rank

  // What the conditions of some observations are read from, and the conditions.
  EncodedProfiles ProfilesOf(const std::vector<int64_t>& observations) const;
  Condition ConditionOf(const std::vector<int64_t>& observations) const;
  // Observations of the split, at most options.limit. DataError (SPLIT_EMPTY).
  std::vector<int64_t> ObservationsOf(Split split) const;
};

// Each writes `folder`, which appears when all is there, and returns {"output", "split", "n", ...}.
Json DrawSplit(const GenerationJob& job, Split split, const fs::path& folder);
Json ExtractSplit(const GenerationJob& job, Split split, const fs::path& folder);

}  // namespace genvinci
