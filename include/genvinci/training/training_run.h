#pragma once

#include <optional>
#include <string>

#include "genvinci/checkpoint/checkpoint.h"
#include "genvinci/core/run_folder.h"
#include "genvinci/training/training_options.h"

namespace genvinci {

// What makes a run the same run.
struct RunIdentity {
  std::string command, kind, dataset;
  Json options;  // all resolved options
  Json facts;    // fingerprints of dataset, vocabulary, ...
};

struct TrainingRun {
  RunFolder folder;
  std::optional<Checkpoint> checkpoint;  // to go on from
};

// A new run, or the one that `training.resume` names: "auto" takes `common.output`, else the latest unfinished run of
// this dataset and kind, and starts a new one (saying so) when there is none. run.json is written. ConfigError
// (RESUME_OPTIONS) names the options and facts that differ from those of the run; what decides no number (max_minutes,
// how often is saved, device, ...) may differ. MissingFileError RUN_MISSING, CKPT_MISSING.
TrainingRun OpenTrainingRun(const RunIdentity& identity, const CommonOptions& common, const TrainingOptions& training);

}  // namespace genvinci
