#pragma once

#include <string>

#include "genvinci/core/options.h"
#include "genvinci/core/run_folder.h"
#include "genvinci/models/model_options.h"

namespace genvinci {

struct DemoOptions {
  CommonOptions common;
  std::string model = "small";
  int64_t spots = 2400;
  double minutes = 11.5;
  int64_t num_samples = 3;

  template <typename Visitor>
  void Fields(Visitor& v) {
    v("common", common, "");
    v("model", model, "model size", Choices{kModelSizes});
    v("spots", spots, "spots of virtual tissue", Range{60, 1e6});
    v("minutes", minutes, "time for all training and drawing, about", Range{0.05, 1e5});
    v("num_samples", num_samples, "images a test profile", Range{1, 100});
  }
};

}  // namespace genvinci
