#include "evaluation_report.h"

#include <array>
#include <utility>

#include "genvinci/core/log.h"
#include "genvinci/core/version.h"
#include "genvinci/generation/output_images.h"
#include "genvinci/generation/picture_grid.h"

namespace genvinci {
namespace {

struct Column {
  const char* key;
  const char* title;
  Scores ComparedScores::*scores;
};
constexpr std::array<Column, 4> kColumns = {{{"generated", "generated", &ComparedScores::generated},
                                             {"reconstructed", "reconstructed", &ComparedScores::reconstructed},
                                             {"mean_image", "mean image", &ComparedScores::mean_image},
                                             {"shuffled", "shuffled", &ComparedScores::shuffled}}};
constexpr std::array<const char*, 4> kTitles = {"MSE (0-1), lower is better", "PCC", "PSNR (dB)", "SSIM"};

std::string Number(const Json& value) { return value.is_number() ? fmt::format("{:.4f}", value.get<double>()) : "-"; }

std::string Table(const Json& metrics) {
  std::string table = fmt::format("| {:26} |", "metric");
  std::string line = fmt::format("|{:-<28}|", "");
  for (const Column& column : kColumns) {
    table += fmt::format(" {:>13} |", column.title);
    line += fmt::format("{:-<14}:|", "");
  }
  table += "\n" + line + "\n";
  for (size_t m = 0; m < kMetrics.size(); ++m) {
    table += fmt::format("| {:26} |", kTitles[m]);
    for (const Column& column : kColumns) {
      table += fmt::format(" {:>13} |", Number(metrics.at(kMetrics[m]).value(column.key, Json(nullptr))));
    }
    table += "\n";
  }
  return table;
}

std::string Markdown(const Json& json) {
  std::string text = fmt::format(
      "# Evaluation\n\n{} observations of the {} part, {} generated images each, against the real image.\n\n{}\n",
      json.at("n").get<int64_t>(), json.at("split").get<std::string>(), json.at("n_samples").get<int64_t>(),
      Table(json.at("metrics")));
  text +=
      "- reconstructed: the real image through the autoencoder, the best that generation can reach\n"
      "- mean image: the mean of the training images, which knows nothing of the genes\n"
      "- shuffled: the generated images against the real image of another observation\n\n"
      "Scores of pixels favour blur: a mean image can beat a plausible one.\n";
  if (json.at("same_patient").get<bool>()) text += fmt::format("\n**{}**\n", json.at("note").get<std::string>());
  for (const auto& [metric, counts] : json.at("undefined").items()) {
    for (const auto& [column, count] : counts.items()) {
      text += fmt::format("\n{} {}: {} observations are left out, as it is not defined for them.\n", column, metric,
                          count.get<int64_t>());
    }
  }
  return text + fmt::format("\nCheckpoint: `{}`, dataset: `{}`, genvinci {}\n",
                            json.at("checkpoint").get<std::string>(), json.at("dataset").get<std::string>(), kVersion);
}

PictureGrid GridOf(const Picture& picture, const std::vector<std::string>& channels) {
  PictureGrid grid;
  size_t samples = 0;
  for (const PictureColumn& column : picture.columns) samples = std::max(samples, column.samples.size());
  grid.row_names = {"real", "reconstructed"};
  for (size_t k = 1; k <= samples; ++k) grid.row_names.push_back(fmt::format("generated {}", k));
  grid.rows.resize(grid.row_names.size());
  for (const PictureColumn& column : picture.columns) {
    grid.column_names.push_back(column.caption);
    grid.rows[0].push_back(DisplayImage(column.real, channels));
    grid.rows[1].push_back(DisplayImage(column.reconstructed, channels));
    for (size_t k = 0; k < samples; ++k) grid.rows[2 + k].push_back(DisplayImage(column.samples[k], channels));
  }
  return grid;
}

}  // namespace

Json MetricsJson(const ComparedScores& scores) {
  Json metrics = Json::object();
  for (size_t m = 0; m < kMetrics.size(); ++m) {
    for (const Column& column : kColumns) {
      const Scores& one = scores.*column.scores;
      if (!one.empty()) metrics[kMetrics[m]][column.key] = one.Mean(m);
    }
  }
  return metrics;
}

Json UndefinedJson(const ComparedScores& scores) {
  Json undefined = Json::object();
  for (size_t m = 0; m < kMetrics.size(); ++m) {
    for (const Column& column : kColumns) {
      const int64_t count = (scores.*column.scores).Undefined(m);
      if (count > 0) undefined[kMetrics[m]][column.key] = count;
    }
  }
  return undefined;
}

void WriteEvaluation(const EvaluationReport& report, const fs::path& folder) {
  MakeFolder(folder);
  const PngText text = {{"synthetic", "true"},
                        {"Description", fmt::format("The rows 'generated' are synthetic images: generated from gene "
                                                    "expression by genvinci {}",
                                                    kVersion)},
                        {"checkpoint", report.generated.checkpoint.string()},
                        {"version", kVersion}};
  WritePng(folder / "evaluation.png", DrawGrid(GridOf(report.picture, report.generated.channels)), text);
  WriteFileAtomic(folder / "evaluation.md", Markdown(report.json));
  WriteJson(folder / "evaluation.json", report.json);
  Log("{} observations of the {} part, {} samples each\n{}", report.json.at("n").get<int64_t>(),
      report.json.at("split").get<std::string>(), report.json.at("n_samples").get<int64_t>(),
      Table(report.json.at("metrics")));
}

}  // namespace genvinci
