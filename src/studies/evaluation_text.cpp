#include "evaluation_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "genvinci/core/text.h"
#include "genvinci/core/version.h"
#include "genvinci/studies/scores.h"

namespace genvinci {
namespace {

using Named = std::pair<const char*, const char*>;  // key, title

constexpr std::array<Named, 10> kColumns = {{{"generated", "generated"},
                                             {"reconstructed", "reconstructed"},
                                             {"real", "real"},
                                             {"real_floor", "real, train"},
                                             {"real_halves", "real, halves"},
                                             {"nearest", "nearest"},
                                             {"cnn", "CNN"},
                                             {"mean_image", "mean image"},
                                             {"shuffled", "shuffled"},
                                             {"majority", "majority"}}};
constexpr std::array<Named, 6> kDistributions = {{{"frechet_domain", "Frechet distance"},
                                                  {"kernel_domain", "kernel distance"},
                                                  {"precision", "precision"},
                                                  {"recall", "recall"},
                                                  {"density", "density"},
                                                  {"coverage", "coverage"}}};

std::string Number(const Json& value) {
  if (!value.is_number()) return "-";
  const double number = value.get<double>();
  return std::abs(number) < 100 ? fmt::format("{:.4f}", number) : fmt::format("{:.1f}", number);
}

std::string Between(const Json& interval) {
  if (!interval.is_array()) return "";
  return fmt::format("{} to {}", Number(interval[0]), Number(interval[1]));
}

// Rows of numbers under the columns that any of them has, and at the end the interval of `generated`.
class ColumnTable {
 public:
  explicit ColumnTable(std::string title) { table_.title = std::move(title); }

  // values: {"<column>": number or estimate}; interval: of generated.
  void Add(const std::string& title, const Json& values, const Json& interval) {
    titles_.push_back(title);
    values_.push_back(values);
    intervals_.push_back(Between(interval));
  }

  TextTable Make() && {
    table_.header = {""};
    std::vector<const char*> keys;
    for (const auto& [key, title] : kColumns) {
      const bool any =
          std::any_of(values_.begin(), values_.end(), [&](const Json& values) { return Has(values, key); });
      if (!any) continue;
      keys.push_back(key);
      table_.header.emplace_back(title);
    }
    const bool intervals =
        std::any_of(intervals_.begin(), intervals_.end(), [](const auto& text) { return !text.empty(); });
    if (intervals) table_.header.emplace_back("95 % of generated");
    for (size_t r = 0; r < values_.size(); ++r) {
      table_.rows.push_back({titles_[r]});
      for (const char* key : keys) table_.rows.back().push_back(Cell(values_[r], key));
      if (intervals) table_.rows.back().push_back(intervals_[r].empty() ? "-" : intervals_[r]);
    }
    return std::move(table_);
  }

 private:
  static std::string Cell(const Json& values, const char* key) {
    const Json value = values.value(key, Json());
    return Number(value.is_object() ? value.value("value", Json()) : value);
  }
  static bool Has(const Json& values, const char* key) { return Cell(values, key) != "-"; }

  TextTable table_;
  std::vector<std::string> titles_, intervals_;
  std::vector<Json> values_;
};

Json IntervalOf(const Json& estimates, const char* interval) {
  const Json generated = estimates.value("generated", Json::object());
  return generated.value(interval, Json());
}

TextTable PairedTextTable(const Json& json) {
  ColumnTable table("Against the real image of the same observation");
  for (const PairedMetric& metric : kPairedMetrics) {
    const Json values = json.at("metrics").value(metric.key, Json());
    if (values.is_null()) continue;
    table.Add(fmt::format("{}, {} is better", metric.title, metric.higher_is_better ? "higher" : "lower"), values,
              IntervalOf(json.at("intervals").value(metric.key, Json::object()), "ci95"));
  }
  return std::move(table).Make();
}

TextTable GapTable(const Json& json) {
  TextTable table{"Shuffle gap: how much better the true profile's image fits than another's", {"", "gap", "95 %"}, {}};
  const bool groups = std::any_of(json.at("shuffle_gap").begin(), json.at("shuffle_gap").end(),
                                  [](const Json& gap) { return gap["ci95_groups"].is_array(); });
  table.header.push_back("95 % over seeds");
  if (groups) table.header.push_back("95 % over groups");
  for (const PairedMetric& metric : kPairedMetrics) {
    const Json gap = json.at("shuffle_gap").value(metric.key, Json());
    if (gap.is_null()) continue;
    table.rows.push_back({metric.title, Number(gap["value"]), Between(gap["ci95"]), Between(gap["ci95_seeds"])});
    if (groups) table.rows.back().push_back(Between(gap["ci95_groups"]));
  }
  return table;
}

TextTable DistributionTable(const Json& json) {
  ColumnTable table("Distributions in the domain space, against the real images");
  for (const auto& [key, title] : kDistributions) {
    const Json values = json.at("metrics").value(key, Json());
    if (values.is_object())
      table.Add(title, values, IntervalOf(json.at("intervals").value(key, Json::object()), "ci95"));
  }
  return std::move(table).Make();
}

TextTable ReadingTable(const Json& json) {
  ColumnTable table("Read from the images by maps fitted on real training patches");
  if (const Json labels = json.value("label_agreement", Json()); labels.is_object()) {
    table.Add("label agreement (balanced accuracy)", labels["intervals"], labels["ci95"]);
  }
  constexpr std::array<std::array<const char*, 3>, 5> kReadings = {{
      {"composition", "correlation", "proportions: correlation"},
      {"composition", "error", "proportions: mean error"},
      {"composition", "error_unseen_mixture", "the same, unseen mixtures"},
      {"nuclei", "correlation", "nuclei by type: correlation"},
      {"nuclei", "error", "nuclei by type: mean error"},
  }};
  for (const auto& [part, key, title] : kReadings) {
    const Json reading = json.value(part, Json::object()).value(key, Json());
    if (reading.is_object()) table.Add(title, reading, IntervalOf(reading, "ci95"));
  }
  return std::move(table).Make();
}

void AddMemorisation(const Json& json, std::vector<std::string>& notes) {
  const Json memory = json.value("memorisation", Json());
  if (!memory.is_object() || !memory.contains("copies")) return;
  notes.push_back(fmt::format(
      "Memorisation: the nearest training image is {} away from a generated one and {} from a held-out real one "
      "(medians, 8 x 8 thumbnails); {:.1f} % of the samples are closer than {}: {}.",
      Number(memory["generated"]), Number(memory["real"]), 100 * memory["close_share"].get<double>(),
      Number(memory["threshold"]),
      memory["copies"].get<bool>() ? "SAMPLES COPY TRAINING IMAGES" : "no sign of copies"));
}

}  // namespace

std::vector<TextTable> EvaluationTables(const Json& json) {
  std::vector<TextTable> tables = {PairedTextTable(json), GapTable(json), DistributionTable(json), ReadingTable(json)};
  std::erase_if(tables, [](const TextTable& table) { return table.rows.empty(); });
  return tables;
}

std::vector<std::string> EvaluationNotes(const Json& json) {
  std::vector<std::string> notes = {
      "reconstructed: the real image through the autoencoder, the best that generation can reach; nearest: the "
      "training "
      "image of the nearest profile; CNN: genes to pixels by squared and absolute error; mean image: the mean of the "
      "training images, which knows nothing of the genes; shuffled: the generated images against those of others.",
      "Scores of pixels favour blur: a mean image can beat a plausible one."};
  if (const Json domain = json.value("domain", Json()); domain.is_object()) {
    notes.push_back(fmt::format(
        "The domain space: {} image features of {}, trained on this dataset's training part; {} real images, {} "
        "samples "
        "each, distances of distributions are means over the samples. Real, train: the training part's own images; "
        "real, halves: one random half against the other.",
        domain["dim"].get<int64_t>(), domain["align"].get<std::string>(), json["n"].get<int64_t>(),
        json["n_samples"].get<int64_t>()));
  }
  AddMemorisation(json, notes);
  if (json.contains("test_reads")) {
    notes.push_back(fmt::format("The test part has been scored {} {} for this run.", json["test_reads"].get<int64_t>(),
                                json["test_reads"] == 1 ? "time" : "times"));
  }
  for (const auto& [metric, counts] : json.at("undefined").items()) {
    for (const auto& [column, count] : counts.items()) {
      notes.push_back(fmt::format("{} {}: {} observations are left out, as it is not defined for them.", column, metric,
                                  count.get<int64_t>()));
    }
  }
  return notes;
}

std::string MarkdownTable(const TextTable& table) {
  std::string text = fmt::format("| {} |\n|---|", JoinText(table.header, " | "));
  for (size_t c = 1; c < table.header.size(); ++c) text += "---:|";
  text += "\n";
  for (const auto& row : table.rows) text += fmt::format("| {} |\n", JoinText(row, " | "));
  return text;
}

std::string SamplingText(const Json& sampling) {
  const double rescale = sampling.value("guidance_rescale", 0.0);  // older files have none
  return fmt::format("guidance {}{}, {} steps", sampling.at("guidance").get<double>(),
                     rescale == 0 ? "" : fmt::format(" (rescale {})", rescale), sampling.at("steps").get<int64_t>());
}

std::string EvaluationMarkdown(const Json& json) {
  std::string text = fmt::format("# Evaluation\n\n{} observations of the {} part, {} generated images each, {}.\n",
                                 json.at("n").get<int64_t>(), json.at("split").get<std::string>(),
                                 json.at("n_samples").get<int64_t>(), SamplingText(json));
  if (json.at("same_patient").get<bool>()) text += fmt::format("\n**{}**\n", json.at("note").get<std::string>());
  for (const TextTable& table : EvaluationTables(json)) {
    text += fmt::format("\n## {}\n\n{}", table.title, MarkdownTable(table));
  }
  text += "\n";
  for (const std::string& note : EvaluationNotes(json)) text += fmt::format("- {}\n", note);
  return text + fmt::format("\nCheckpoint: `{}`, dataset: `{}`, genvinci {}\n",
                            json.at("checkpoint").get<std::string>(), json.at("dataset").get<std::string>(), kVersion);
}

}  // namespace genvinci
