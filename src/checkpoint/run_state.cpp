#include "genvinci/checkpoint/run_state.h"

#include "genvinci/core/error.h"

namespace genvinci {

RunState RunState::Of(const Json& state, const std::string& source) {
  RunState run;
  try {
    FromPartOfJson(state, run, source);
  } catch (const ConfigError& error) {
    throw DataError("CKPT_CONFIG", "{}: written by another version?", error.what());
  }
  return run;
}

RunState RunState::Of(const Checkpoint& checkpoint, const std::string& kind) {
  return Of(checkpoint.RequireKind(kind), (checkpoint.path() / "state.json").string());
}

}  // namespace genvinci
