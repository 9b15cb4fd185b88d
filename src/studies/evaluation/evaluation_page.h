#pragma once

#include <string>

#include "evaluation_result.h"
#include "genvinci/core/files.h"
#include "genvinci/report/page.h"

namespace genvinci {

// The page of an evaluation: its tables, the pictures that lie in `folder`, how the sampling was chosen on val and the
// curves of the training run, as far as `run` has them.
Page EvaluationPage(const EvaluationResult& result, const fs::path& folder, const fs::path& run);

}  // namespace genvinci
