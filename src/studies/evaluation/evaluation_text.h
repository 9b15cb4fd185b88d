#pragma once

#include <string>
#include <vector>

#include "evaluation_result.h"
#include "genvinci/studies/common/score_table.h"

namespace genvinci {

// Its tables, the paired scores first; none is empty.
std::vector<TextTable> EvaluationTables(const EvaluationResult& result);
// One sentence each: what the numbers say and do not say.
std::vector<std::string> EvaluationNotes(const EvaluationResult& result);
std::string EvaluationMarkdown(const EvaluationResult& result);

// "guidance 2 (rescale 0.7), 20 steps".
std::string SamplingText(const SamplerOptions& sampling);

}  // namespace genvinci
