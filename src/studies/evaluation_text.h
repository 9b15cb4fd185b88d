#pragma once

#include <string>
#include <vector>

#include "genvinci/core/json.h"

namespace genvinci {

// A table of an evaluation: what Markdown and the HTML page both show.
struct TextTable {
  std::string title;
  std::vector<std::string> header;
  std::vector<std::vector<std::string>> rows;
};

// The tables of evaluation.json, the paired scores first.
std::vector<TextTable> EvaluationTables(const Json& json);
// One sentence each: what the numbers say and do not say.
std::vector<std::string> EvaluationNotes(const Json& json);

// "guidance 2 (rescale 0.7), 20 steps" of an object that holds SamplerOptions' fields.
std::string SamplingText(const Json& sampling);
std::string MarkdownTable(const TextTable& table);
std::string EvaluationMarkdown(const Json& json);

}  // namespace genvinci
