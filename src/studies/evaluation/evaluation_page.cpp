#include "evaluation_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include "evaluation_text.h"
#include "genvinci/core/run_folder.h"
#include "genvinci/core/text.h"
#include "genvinci/core/version.h"
#include "genvinci/report/line_plot.h"

namespace genvinci {
namespace {

bool Exists(const fs::path& path) {
  std::error_code error;
  return fs::exists(path, error);
}

void AddTables(const EvaluationResult& result, Page& page) {
  page.blocks.push_back(PageHeading{"Scores"});
  for (const TextTable& table : EvaluationTables(result)) {
    page.blocks.push_back(PageTable{table.title, table.header, table.rows});
  }
  for (const std::string& note : EvaluationNotes(result)) page.blocks.push_back(PageText{note});
}

void AddPictures(const fs::path& folder, Page& page) {
  page.blocks.push_back(PageHeading{"Images"});
  page.blocks.push_back(
      PagePicture{"Profiles by their label, not picked by hand: the first ones of each label by turns.",
                  ReadFile(folder / "evaluation.png"), 1, "rows of real and generated images"});
  if (!Exists(folder / "extremes.png")) return;
  page.blocks.push_back(
      PagePicture{"The profiles whose samples lie nearest to, midway and farthest from their real "
                  "image, by feature distance.",
                  ReadFile(folder / "extremes.png"), 1, "best, median and worst generated images"});
}

// One score against the guidance, at the number of steps that all guidances were tried at.
PagePlot GuidancePlot(const Json& sampling, const char* key, const char* title) {
  const Json& tried = sampling.at("tried");
  std::map<double, double> by_guidance;
  for (const Json& row : tried) {
    if (row.at("steps") == tried.at(0).at("steps")) by_guidance[row.at("guidance")] = row.at(key).get<double>();
  }
  LineSeries series{title, {}, {}};
  for (const auto& [guidance, value] : by_guidance) {
    series.x.push_back(guidance);
    series.y.push_back(value);
  }
  LinePlot plot{.caption = fmt::format("{} of val images against guidance.", title),
                .x_title = "guidance scale",
                .y_title = title,
                .series = {series}};
  plot.marked = MarkedValue{sampling.at("sampling").at("guidance").get<double>(), "chosen"};
  return DrawLinePlot(plot);
}

void AddChoice(const fs::path& run, Page& page) {
  if (!Exists(run / "sampling.json")) return;
  const Json sampling = ReadJson(run / "sampling.json");
  SamplerOptions chosen;
  FromJson(sampling.at("sampling"), chosen, (run / "sampling.json").string());
  page.blocks.push_back(PageHeading{"Choice of the sampling on val"});
  page.blocks.push_back(PageText{fmt::format("Chosen by {}: {}. The test part was not looked at.",
                                             sampling.at("metric").get<std::string>(), SamplingText(chosen))});
  for (const auto& [key, title] :
       {std::pair{"val_frechet_joint_domain", "Frechet joint distance"},
        std::pair{"val_frechet_domain", "Frechet distance"}, std::pair{"val_feature_gap", "Feature-distance gap"}}) {
    page.blocks.push_back(GuidancePlot(sampling, key, title));
  }
}

// Named series of metrics.jsonl against the step.
class Curves {
 public:
  explicit Curves(const fs::path& run) {
    const std::string text = ReadFile(run / "metrics.jsonl");
    for (const std::string_view line : SplitText(text, '\n')) {
      if (!line.empty()) Add(ParseJson(line, (run / "metrics.jsonl").string()));
    }
  }

  void Plot(const std::string& caption, const std::string& y_title,
            const std::vector<std::pair<std::string, std::string>>& wanted, Page& page) const {
    LinePlot plot{.caption = caption, .x_title = "step", .y_title = y_title};
    for (const auto& [key, title] : wanted) {
      const auto found = series_.find(key);
      if (found == series_.end()) continue;
      plot.series.push_back(found->second);
      plot.series.back().name = title;
    }
    if (!plot.series.empty()) page.blocks.push_back(DrawLinePlot(plot));
  }

 private:
  void Add(const Json& row) {
    for (const auto& [key, value] : row.items()) {
      if (!value.is_number()) continue;
      series_[key].x.push_back(row.at("step").get<double>());
      series_[key].y.push_back(value.get<double>());
    }
  }

  std::map<std::string, LineSeries> series_;
};

void AddCurves(const fs::path& run, Page& page) {
  if (!Exists(run / "metrics.jsonl")) return;
  const Curves curves(run);
  page.blocks.push_back(PageHeading{"Training"});
  curves.Plot("Losses of the fine-tuning; shuffled: with the profiles of other observations.", "loss",
              {{"loss", "train"}, {"val_loss", "val"}, {"val_loss_shuffled", "val, shuffled profiles"}}, page);
  curves.Plot("Distances of val images drawn during training.", "distance",
              {{"val_frechet_domain", "Frechet"},
               {"val_frechet_joint_domain", "Frechet joint"},
               {"val_feature_distance", "feature distance"}},
              page);
}

}  // namespace

Page EvaluationPage(const EvaluationResult& result, const fs::path& folder, const fs::path& run) {
  const EvaluationSource& source = result.source;
  Page page{.title = fmt::format("genvinci: {} of {}", source.split, fs::path(source.dataset).filename().string()),
            .blocks = {}};
  page.blocks.push_back(PageText{fmt::format(
      "{} observations, {} generated images each, {}. For research use only: generated images are synthetic.", source.n,
      source.n_samples, SamplingText(source.sampling))});
  if (source.same_patient) page.blocks.push_back(PageNote{result.Note()});
  AddPictures(folder, page);
  AddTables(result, page);
  AddChoice(run, page);
  AddCurves(run, page);
  page.blocks.push_back(PageHeading{"Provenance"});
  page.blocks.push_back(PageText{fmt::format("Checkpoint {}, dataset {}, genvinci {}; {}", source.checkpoint,
                                             source.dataset, kVersion, CommandLine())});
  return page;
}

}  // namespace genvinci
