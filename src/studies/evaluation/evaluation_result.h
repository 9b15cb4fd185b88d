#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "genvinci/core/json.h"
#include "genvinci/diffusion/sampler_options.h"
#include "genvinci/studies/common/estimates.h"
#include "genvinci/studies/common/memorisation.h"
#include "genvinci/studies/common/scores.h"

namespace genvinci {

// A score against the real image of the same observation.
struct PairedScore {
  PairedMetric metric;
  Estimates estimates;                                          // also of "shuffled"
  std::optional<Estimate> gap = {};                             // how much better the own real image's score is
  std::vector<std::pair<std::string, int64_t>> undefined = {};  // observations that a kind's mean leaves out
};

// A score of all images of a kind together, against the real ones, in the domain space.
struct DistributionScore {
  std::string key, title;
  Estimates estimates;
};

// Balanced accuracy of labels read from images.
struct LabelScore {
  std::vector<std::string> classes;
  Estimates estimates;             // also of "real", "shuffled" and "majority"
  std::optional<double> val = {};  // of real images of the val part
};

// Values (proportions, counts of nuclei) read from images.
struct ValueScore {
  std::vector<std::string> columns;
  Estimates correlation, error;
  std::optional<int64_t> n_unseen = {};  // observations whose mixture training has not seen
  Estimates error_unseen = {};           // of these

  Json ToJson() const;
};

// What the images were made of and by.
struct EvaluationSource {
  int64_t n = 0, n_samples = 0, img_size = 0;
  std::string split, checkpoint, dataset, generated;
  SamplerOptions sampling;
  bool same_patient = false;  // the training part holds other tissue of the patients scored
  int64_t bootstraps = 0, seed = 0;
};

// All that an evaluation says; what could not be had is empty.
struct EvaluationResult {
  EvaluationSource source;
  std::vector<PairedScore> paired;
  std::vector<DistributionScore> distributions;
  std::optional<LabelScore> labels;
  std::optional<ValueScore> proportions, nuclei;
  std::optional<Memorisation::Result> memorisation = {};
  struct Domain {
    std::string align;  // the alignment run
    int64_t dim = 0;
  };
  std::optional<Domain> domain = {};
  Json cnn_tuning = {};                    // on val; null without the CNN
  std::optional<int64_t> test_reads = {};  // how often the test part has been scored for this run

  // "" where there is nothing to warn of.
  std::string Note() const;
  Json ToJson() const;  // evaluation.json, as evaluate.h says
};

}  // namespace genvinci
