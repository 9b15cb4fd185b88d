#pragma once

#include <string>

#include "genvinci/core/options.h"
#include "genvinci/core/run_folder.h"

namespace genvinci {

struct InspectOptions {
  CommonOptions common;
  std::string path;

  template <typename Visitor>
  void Fields(Visitor& v) {
    v("common", common, "");
    v.Group("Input");
    v("path", path, "file or folder: h5ad, safetensors, pickle, image, dataset, run, checkpoint or weights");
  }
};

}  // namespace genvinci
