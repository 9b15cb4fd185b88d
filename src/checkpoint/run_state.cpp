#include "genvinci/checkpoint/run_state.h"

#include "genvinci/core/error.h"

namespace genvinci {
namespace {

// Written by every version of this format; a default in their place would start a run at another point.
constexpr const char* kNeeded[] = {"/step",          "/total_steps", "/evaluations_since_best",
                                   "/order/epoch",   "/order/taken", "/order/steps_per_epoch",
                                   "/order/samples", "/world",       "/loss_scale",
                                   "/log",           "/metrics",     "/best",
                                   "/seconds"};

}  // namespace

RunState RunState::Of(const Json& state, const std::string& source) {
  RunState run;
  try {
    FromPartOfJson(state, run, source);
  } catch (const ConfigError& error) {
    throw DataError("CKPT_CONFIG", "{}: written by another version?", error.what());
  }
  if (run.format != kFormat) return run;
  for (const char* field : kNeeded) {
    if (!state.contains(Json::json_pointer(field)))
      throw DataError("CKPT_CONFIG", "{}: has no \"{}\"", source, field + 1);
  }
  return run;
}

}  // namespace genvinci
