#pragma once

#include <string>
#include <vector>

#include "genvinci/core/options.h"
#include "genvinci/core/run_folder.h"
#include "genvinci/launch/rank_options.h"

namespace genvinci {

struct EvaluateOptions {
  CommonOptions common;
  RankOptions ranks;
  std::string generated;
  std::string dataset;
  std::string align_path;
  std::vector<std::string> baselines = {"mean", "nearest", "cnn"};
  int64_t bootstraps = 2000;
  int64_t examples = 8;

  template <typename Visitor>
  void Fields(Visitor& v) {
    v("common", common, "");
    v("ranks", ranks, "ranks");
    v.Group("Input");
    v("generated", generated, "folder that genvinci generate wrote; a run's newest, or with --dataset the newest of all (latest)");
    v("dataset", dataset, "dataset folder or name (default: the one that the images were generated for)");
    v("align_path", align_path,
      "alignment run whose image features are compared (default: that of the checkpoint, else the dataset's latest)");
    v.Group("Scores");
    v("baselines", baselines, "baselines beside the scores", Choices{{"mean", "nearest", "cnn"}});
    v("bootstraps", bootstraps, "resamples behind the 95 % intervals (0: no intervals)", Range{0, 1e6});
    v.Group("Output");
    v("examples", examples, "profiles shown in the picture", Range{1, 64});
  }
};

}  // namespace genvinci
