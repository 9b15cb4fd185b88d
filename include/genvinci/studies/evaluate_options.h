#pragma once

#include <string>
#include <vector>

#include "genvinci/core/options.h"
#include "genvinci/core/run_folder.h"

namespace genvinci {

struct EvaluateOptions {
  CommonOptions common;
  std::string generated;
  std::string dataset;
  std::vector<std::string> baselines = {"mean"};
  int64_t examples = 8;

  template <typename Visitor>
  void Fields(Visitor& v) {
    v("common", common, "");
    v("generated", generated, "folder that `genvinci generate` wrote");
    v("dataset", dataset, "dataset folder or name (default: the one it was generated for)");
    v("baselines", baselines, "baselines beside the scores", Choices{{"mean"}});
    v("examples", examples, "profiles in the picture of real, reconstructed and generated", Range{1, 64});
  }
};

}  // namespace genvinci
