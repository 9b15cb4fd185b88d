#include "evaluation_report.h"

#include "evaluation_page.h"
#include "evaluation_text.h"
#include "genvinci/checkpoint/checkpoint.h"
#include "genvinci/core/log.h"
#include "genvinci/core/version.h"
#include "genvinci/generation/output_images.h"
#include "genvinci/generation/picture_grid.h"

namespace genvinci {
namespace {

PictureGrid GridOf(const Picture& picture, const std::vector<std::string>& channels) {
  PictureGrid grid;
  grid.column_names = picture.captions;
  for (const auto& [name, images] : picture.rows) {
    grid.row_names.push_back(name);
    grid.rows.emplace_back();
    for (const Image& image : images) grid.rows.back().push_back(DisplayImage(image, channels));
  }
  return grid;
}

}  // namespace

void WriteEvaluation(const EvaluationReport& report, const fs::path& folder) {
  MakeFolder(folder);
  const PngText text = {{"synthetic", "true"},
                        {"Description", fmt::format("The rows 'generated' are synthetic images: generated from gene "
                                                    "expression by genvinci {}",
                                                    kVersion)},
                        {"checkpoint", report.generated.checkpoint.string()},
                        {"version", kVersion}};
  WritePng(folder / "evaluation.png", DrawGrid(GridOf(report.examples, report.generated.channels)), text);
  if (!report.extremes.rows.empty())
    WritePng(folder / "extremes.png", DrawGrid(GridOf(report.extremes, report.generated.channels)), text);
  WriteFileAtomic(folder / "evaluation.md", EvaluationMarkdown(report.result));
  WriteJson(folder / "evaluation.json", report.result.ToJson());
  const fs::path run = RunOf(report.generated.checkpoint);
  WriteFileAtomic(folder / "report.html", RenderPage(EvaluationPage(report.result, folder, run)));
  for (const TextTable& table : EvaluationTables(report.result)) Log("{}\n{}", table.title, MarkdownTable(table));
}

}  // namespace genvinci
