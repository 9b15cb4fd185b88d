#pragma once

#include <torch/torch.h>

#include <string>
#include <vector>

#include "genvinci/core/json.h"
#include "genvinci/data/patch_store.h"
#include "genvinci/diffusion/pipeline.h"
#include "genvinci/distributed/rank_group.h"
#include "genvinci/weights/load_runs.h"

namespace genvinci {

struct ValStudyOptions {
  fs::path align_path;
  int64_t images = 128;  // drawn at each look, about
  int64_t seed = 0;
};

// Images drawn for val profiles, scored in the domain space of an alignment run: what the best checkpoint and the
// sampling are chosen by, so that the test part need not be looked at.
//   frechet_domain         of the images alone
//   frechet_joint_domain   of each image together with the embedding of its profile, scaled to the same total variance:
//                          Frechet joint distance (DeVries et al. 2019). Worse for images that are not plausible, for
//                          samples that are too much alike and for images that do not follow the genes; it is the
//                          metric that chooses.
//   feature_distance, feature_gap   paired; the gap to the other observations' real images
class ValStudy {
 public:
  static constexpr const char* kChoice = "val_frechet_joint_domain";

  // val_rows: observations, whose patches are val_patches. At most options.images of them are drawn for, evenly
  // spread, with several samples each where there are fewer; each rank draws its share. DataError ALIGN_DATASET,
  // GENES_UNMATCHED.
  ValStudy(const Dataset& dataset, const std::vector<int64_t>& val_rows, const PatchStore& val_patches,
           const ValStudyOptions& options, RankGroup& ranks);

  // Positions in val_rows that are drawn for.
  const std::vector<int64_t>& items() const { return items_; }
  const fs::path& align_path() const { return aligner_.path; }

  bool is_main() const { return ranks_.is_main(); }
  // {"val_frechet_domain", ...} of images drawn under the conditions of items().
  Json Score(Pipeline pipeline, const Condition& condition, const SamplerOptions& sampling) const;

 private:
  torch::Tensor Draw(Pipeline pipeline, const Condition& condition, const SamplerOptions& sampling,
                     int64_t sample) const;
  torch::Tensor Joint(const torch::Tensor& features_NF) const;

  RankGroup& ranks_;
  LoadedAligner aligner_;
  int64_t seed_, samples_;
  std::vector<int64_t> items_, rows_;
  torch::Tensor real_NF_, genes_NE_;  // float64; genes scaled
};

struct TriedSampling {
  SamplerOptions sampling;
  double distance = 0, gap = 0;  // frechet_joint_domain, feature_gap
};
// Distances within 5 % of the least are taken for equal; of these guidances the one whose images follow the genes most,
// by the gap. At least one was tried.
const TriedSampling& BestGuidance(const std::vector<TriedSampling>& tried);
// The fewest steps whose distance is within 2 % of the least.
const TriedSampling& FewestSteps(const std::vector<TriedSampling>& tried);

// Draws under each guidance, then, with the best of them, under each number of steps, and writes what was measured and
// chosen to <run>/sampling.json: {"metric", "tried": [{SamplerOptions' fields, scores}], "sampling": the choice}.
struct SamplingChoice {
  SamplerOptions start;
  std::vector<double> guidances;
  std::vector<int64_t> steps;
};
Json ChooseSampling(const ValStudy& study, Pipeline pipeline, const Condition& condition, const SamplingChoice& choice,
                    const fs::path& run);

}  // namespace genvinci
