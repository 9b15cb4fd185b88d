#pragma once

#include <string>

#include "genvinci/core/files.h"
#include "genvinci/core/json.h"
#include "genvinci/report/page.h"

namespace genvinci {

// The page of an evaluation: its tables, the pictures that lie in `folder`, how the sampling was chosen on val and the
// curves of the training run, as far as `run` has them.
Page EvaluationPage(const Json& evaluation, const fs::path& folder, const fs::path& run);

}  // namespace genvinci
