#pragma once

#include <string>

#include "genvinci/core/options.h"

namespace genvinci {

// How the ranks of a training are started and watched.
struct RankOptions {
  std::string devices;
  double init_timeout = 300;
  double rank_timeout = 600;
  int64_t max_restarts = 0;

  template <typename Visitor>
  void Fields(Visitor& v) {
    v.Group("Devices");
    v("devices", devices,
      "start this many ranks on this machine (2), or one on each of these devices (0,1); empty: one rank, or those "
      "that "
      "torchrun or srun started");
    v("init_timeout", init_timeout, "seconds to wait until all ranks have started", Range{1, 1e6});
    v("rank_timeout", rank_timeout, "seconds without an answer after which a rank counts as hung", Range{1, 1e6});
    v("max_restarts", max_restarts, "with --devices: how often a lost run continues from its last checkpoint",
      Range{0, 1e6});
  }
};

}  // namespace genvinci
