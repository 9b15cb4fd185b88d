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
    v.Group("Model");
    v("model", model, "model size", Choices{kModelSizes});
    v.Group("Virtual tissue");
    v("spots", spots, "number of spots", Range{60, 1e6});
    v.Group("Training");
    v("minutes", minutes, "time for all training and drawing together, roughly", Range{0.05, 1e5});
    v.Group("Output");
    v("num_samples", num_samples, "images for each test profile", Range{1, 100});
  }
};

}  // namespace genvinci
