#pragma once

#include "genvinci/core/json.h"
#include "genvinci/generation/generate_options.h"

namespace genvinci {

// Writes the files of ARCHITECTURE.md ("Generation") for each split asked for; returns {"output": folder, "n": ...}.
Json Generate(const GenerateOptions& options);

}  // namespace genvinci
