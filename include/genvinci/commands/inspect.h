#pragma once

#include "genvinci/commands/inspect_options.h"
#include "genvinci/core/json.h"

namespace genvinci {

// What a file or folder is, told by its content: {"kind": "h5ad"|"safetensors"|"pickle"|"image"|"dataset"|"run"|
// "checkpoint"|"tokens"|"source" (a vendor's folder, with the command that prepares it)|..., and what there is to say
// of it}. DataError (INSPECT_UNKNOWN) for what is none of these.
Json Inspect(const InspectOptions& options);

}  // namespace genvinci
