#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>

#include "genvinci/checkpoint/checkpoint.h"
#include "genvinci/core/run_folder.h"
#include "genvinci/distributed/rank_group.h"
#include "genvinci/training/training_options.h"

namespace genvinci {

// What makes a run the same run.
struct RunIdentity {
  std::string command, kind, dataset;
  Json options;  // all resolved options
  Json facts;    // fingerprints of dataset, vocabulary, ...
  // Dotted names of options that decide no number of the training and may differ when it is resumed.
  std::set<std::string> free_options = {};
  // Values of options that a run of an earlier version does not name: what that version did.
  Json default_options = Json::object();
  // facts["dataset_fingerprint"] as an earlier version made it of the same data; empty: none did.
  std::string earlier_fingerprint = {};
  // Whether a run whose last step is done has nothing else left to do, by its options; none: it never has.
  std::function<bool(const fs::path& run, const Json& options)> is_complete = nullptr;
};

struct TrainingRun {
  RunFolder folder;
  std::optional<Checkpoint> checkpoint;  // to go on from
  bool is_inexact = false;               // it is of other options, data or ranks
};

// A new run, or the one that `training.resume` names: "auto" takes `common.output`, else the latest unfinished run of
// this dataset and kind, and starts a new one (saying so) when there is none; so does a start that a launcher repeats.
// run.json is written. ConfigError (RESUME_OPTIONS) names the options, facts and number of ranks that differ from those
// of the run, unless `training.allow_inexact_resume`, which only warns; identity.free_options may differ. Every rank
// opens the run; the main one chooses, locks and writes it, the others log into log.rank<r>.txt there. MissingFileError
// RUN_MISSING, CKPT_MISSING.
TrainingRun OpenTrainingRun(const RunIdentity& identity, const CommonOptions& common, const TrainingOptions& training,
                            RankGroup& ranks);

}  // namespace genvinci
