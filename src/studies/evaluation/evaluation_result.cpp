#include "evaluation_result.h"

#include "genvinci/core/run_folder.h"
#include "genvinci/core/version.h"

namespace genvinci {
namespace {

Json ScoresJson(const EvaluationResult& result) {
  Json metrics = Json::object(), intervals = Json::object(), gaps = Json::object(), undefined = Json::object();
  for (const PairedScore& score : result.paired) {
    metrics[score.metric.key] = score.estimates.Values();
    intervals[score.metric.key] = score.estimates.ToJson();
    if (score.gap) gaps[score.metric.key] = score.gap->ToJson();
    for (const auto& [kind, count] : score.undefined) undefined[score.metric.key][kind] = count;
  }
  for (const DistributionScore& score : result.distributions) {
    metrics[score.key] = score.estimates.Values();
    metrics[score.key]["shuffled"] = nullptr;  // pairing does not matter
    intervals[score.key] = score.estimates.ToJson();
  }
  return {{"metrics", metrics}, {"intervals", intervals}, {"shuffle_gap", gaps}, {"undefined", undefined}};
}

Json LabelJson(const LabelScore& labels) {
  Json json = {{"classes", labels.classes}};
  json.update(labels.estimates.Values());
  if (labels.val) json["val"] = *labels.val;
  const Json intervals = labels.estimates.ToJson();
  json["ci95"] = intervals["generated"]["ci95"];
  json["intervals"] = intervals;
  return json;
}

}  // namespace

Json ValueScore::ToJson() const {
  Json json = {{"columns", columns}};
  if (n_unseen) json["n_unseen_mixture"] = *n_unseen;
  json["correlation"] = correlation.ToJson();
  json["error"] = error.ToJson();
  if (n_unseen) json["error_unseen_mixture"] = error_unseen.ToJson();
  return json;
}

std::string EvaluationResult::Note() const {
  return source.same_patient ? "same patient: the training part holds other tissue of the patients scored here" : "";
}

Json EvaluationResult::ToJson() const {
  Json json = {{"n", source.n}, {"n_samples", source.n_samples}, {"split", source.split}};
  json.update(ScoresJson(*this));
  if (labels) json["label_agreement"] = LabelJson(*labels);
  if (proportions) json["composition"] = proportions->ToJson();
  if (nuclei) json["nuclei"] = nuclei->ToJson();
  json["memorisation"] = memorisation ? memorisation->ToJson() : Json::object();
  if (domain) json["domain"] = {{"align", domain->align}, {"dim", domain->dim}};
  if (!cnn_tuning.is_null()) json["cnn"] = cnn_tuning;
  if (test_reads) json["test_reads"] = *test_reads;
  json["bootstraps"] = source.bootstraps;
  json["same_patient"] = source.same_patient;
  json["note"] = Note();
  json["checkpoint"] = source.checkpoint;
  json["dataset"] = source.dataset;
  json["generated"] = source.generated;
  json["img_size"] = source.img_size;
  json.update(genvinci::ToJson(source.sampling));
  json["seed"] = source.seed;
  json["version"] = kVersion;
  json["command_line"] = CommandLine();
  return json;
}

}  // namespace genvinci
