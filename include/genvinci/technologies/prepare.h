#pragma once

#include "genvinci/core/json.h"
#include "genvinci/technologies/prepare_options.h"

namespace genvinci {

// Makes a dataset folder from vendor files. Prints coverage, drops and the leak report to the log; returns them.
Json Prepare(const PrepareOptions& options);

}  // namespace genvinci
