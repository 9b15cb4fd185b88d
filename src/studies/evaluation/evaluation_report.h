#pragma once

#include <string>
#include <utility>
#include <vector>

#include "evaluation_result.h"
#include "genvinci/io/image.h"
#include "genvinci/studies/common/generated_folder.h"

namespace genvinci {

inline constexpr int64_t kPictureSamples = 3;

struct Picture {
  std::vector<std::string> captions;                             // above each column
  std::vector<std::pair<std::string, std::vector<Image>>> rows;  // named; an image a column
};

struct EvaluationReport {
  const GeneratedFolder& generated;
  EvaluationResult result;
  Picture examples;  // not picked by hand
  Picture extremes;  // best, median and worst; empty without a domain space
};

// evaluation.json, evaluation.md, report.html, evaluation.png and extremes.png into `folder`, and the main table to the
// log.
void WriteEvaluation(const EvaluationReport& report, const fs::path& folder);

}  // namespace genvinci
