#include "evaluation_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "genvinci/core/version.h"

namespace genvinci {
namespace {

const std::vector<std::pair<std::string, std::string>> kColumns = {{"generated", "generated"},
                                                                   {"reconstructed", "reconstructed"},
                                                                   {"real", "real"},
                                                                   {"real_floor", "real, train"},
                                                                   {"real_halves", "real, halves"},
                                                                   {"nearest", "nearest"},
                                                                   {"cnn", "CNN"},
                                                                   {"mean_image", "mean image"},
                                                                   {"shuffled", "shuffled"},
                                                                   {"majority", "majority"}};

ScoreTable Table(const std::string& title) { return {title, kColumns, "generated"}; }

TextTable PairedTable(const EvaluationResult& result) {
  ScoreTable table = Table("Against the real image of the same observation");
  for (const PairedScore& score : result.paired)
    table.Add(fmt::format("{}, {} is better", score.metric.title, score.metric.higher_is_better ? "higher" : "lower"),
              score.estimates);
  return table.Make();
}

TextTable GapTable(const EvaluationResult& result) {
  TextTable table{"Shuffle gap: how much better the true profile's image fits than another's",
                  {"", "gap", "95 %", "95 % over seeds"},
                  {}};
  const bool has_groups = std::any_of(result.paired.begin(), result.paired.end(),
                                      [](const PairedScore& score) { return score.gap && score.gap->groups; });
  if (has_groups) table.header.push_back("95 % over groups");
  for (const PairedScore& score : result.paired) {
    if (!score.gap) continue;
    table.rows.push_back({score.metric.title, NumberText(score.gap->value), IntervalText(score.gap->observations),
                          IntervalText(score.gap->seeds)});
    if (has_groups) table.rows.back().push_back(IntervalText(score.gap->groups));
  }
  return table;
}

TextTable DistributionTable(const EvaluationResult& result) {
  ScoreTable table = Table("Distributions in the domain space, against the real images");
  for (const DistributionScore& score : result.distributions) table.Add(score.title, score.estimates);
  return table.Make();
}

TextTable ReadingTable(const EvaluationResult& result) {
  ScoreTable table = Table("Read from the images by maps fitted on real training patches");
  if (result.labels) table.Add("label agreement (balanced accuracy)", result.labels->estimates);
  if (result.proportions) {
    table.Add("proportions: correlation", result.proportions->correlation);
    table.Add("proportions: mean error", result.proportions->error);
    if (result.proportions->n_unseen) table.Add("the same, unseen mixtures", result.proportions->error_unseen);
  }
  if (result.nuclei) {
    table.Add("nuclei by type: correlation", result.nuclei->correlation);
    table.Add("nuclei by type: mean error", result.nuclei->error);
  }
  return table.Make();
}

// What the gap of the feature distance says: its interval over observations decides.
std::string GapNote(const Estimate& gap) {
  const auto [low, high] = gap.observations.value_or(Interval{gap.value, gap.value});
  const char* verdict = low > 0    ? "is above 0: the images follow the genes"
                        : high < 0 ? "is below 0: the images fit other profiles better than their own"
                                   : "includes 0: no sign that the images follow the genes";
  return fmt::format("The shuffle gap of the feature distance, {}, {}.", NumberText(gap.value), verdict);
}

std::string MemorisationNote(const Memorisation::Result& memory) {
  return fmt::format(
      "Memorisation: the nearest training image is {} away from a generated one and {} from a held-out real one "
      "(medians, 8 x 8 thumbnails); {:.1f} % of the samples are closer than {}: {}.",
      NumberText(memory.generated), NumberText(memory.real), 100 * memory.close_share, NumberText(memory.threshold),
      memory.copies ? "SAMPLES COPY TRAINING IMAGES" : "no sign of copies");
}

}  // namespace

std::vector<TextTable> EvaluationTables(const EvaluationResult& result) {
  std::vector<TextTable> tables = {PairedTable(result), GapTable(result), DistributionTable(result),
                                   ReadingTable(result)};
  std::erase_if(tables, [](const TextTable& table) { return table.rows.empty(); });
  return tables;
}

std::vector<std::string> EvaluationNotes(const EvaluationResult& result) {
  std::vector<std::string> notes = {
      "reconstructed: the real image through the autoencoder, the best that generation can reach; nearest: the "
      "training image of the nearest profile; CNN: genes to pixels by squared and absolute error; mean image: the mean "
      "of the training images, which knows nothing of the genes; shuffled: the generated images against those of "
      "others.",
      "Scores of pixels favour blur: a mean image can beat a plausible one."};
  if (result.domain)
    notes.push_back(fmt::format(
        "The domain space: {} image features of {}, trained on this dataset's training part; {} real images, {} "
        "samples each, distances of distributions are means over the samples. Real, train: the training part's own "
        "images; real, halves: one random half against the other.",
        result.domain->dim, result.domain->align, result.source.n, result.source.n_samples));
  for (const PairedScore& score : result.paired)
    if (score.gap && score.metric.key == std::string("feature_distance")) notes.push_back(GapNote(*score.gap));
  if (result.memorisation) notes.push_back(MemorisationNote(*result.memorisation));
  if (result.test_reads)
    notes.push_back(fmt::format("The test part has been scored {} {} for this run.", *result.test_reads,
                                *result.test_reads == 1 ? "time" : "times"));
  for (const PairedScore& score : result.paired)
    for (const auto& [kind, count] : score.undefined)
      notes.push_back(fmt::format("{} {}: {} observations are left out, as it is not defined for them.", kind,
                                  score.metric.key, count));
  return notes;
}

std::string SamplingText(const SamplerOptions& sampling) {
  return fmt::format("guidance {}{}, {} steps", sampling.guidance,
                     sampling.guidance_rescale == 0 ? "" : fmt::format(" (rescale {})", sampling.guidance_rescale),
                     sampling.steps);
}

std::string EvaluationMarkdown(const EvaluationResult& result) {
  const EvaluationSource& source = result.source;
  std::string text = fmt::format("# Evaluation\n\n{} observations of the {} part, {} generated images each, {}.\n",
                                 source.n, source.split, source.n_samples, SamplingText(source.sampling));
  if (source.same_patient) text += fmt::format("\n**{}**\n", result.Note());
  for (const TextTable& table : EvaluationTables(result))
    text += fmt::format("\n## {}\n\n{}", table.title, MarkdownTable(table));
  text += "\n";
  for (const std::string& note : EvaluationNotes(result)) text += fmt::format("- {}\n", note);
  return text +
         fmt::format("\nCheckpoint: `{}`, dataset: `{}`, genvinci {}\n", source.checkpoint, source.dataset, kVersion);
}

}  // namespace genvinci
