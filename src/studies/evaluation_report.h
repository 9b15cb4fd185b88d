#pragma once

#include <string>
#include <vector>

#include "generated_folder.h"
#include "genvinci/core/json.h"
#include "scores.h"

namespace genvinci {

// Against the real images; those without an entry were not asked for, or cannot be had.
struct ComparedScores {
  Scores generated, reconstructed, mean_image, shuffled;
};

Json MetricsJson(const ComparedScores& scores);
// How many observations a mean leaves out: {"pcc": {"generated": 2}}; empty when none.
Json UndefinedJson(const ComparedScores& scores);

inline constexpr int64_t kPictureSamples = 3;

struct PictureColumn {
  std::string caption;
  Image real, reconstructed;
  std::vector<Image> samples;
};
struct Picture {
  std::vector<PictureColumn> columns;
};

struct EvaluationReport {
  const GeneratedFolder& generated;
  Json json;
  Picture picture;
};

// evaluation.json, evaluation.md and evaluation.png into `folder`, and the table to the log.
void WriteEvaluation(const EvaluationReport& report, const fs::path& folder);

}  // namespace genvinci
