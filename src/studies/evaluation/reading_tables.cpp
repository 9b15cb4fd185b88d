#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "evaluation_data.h"
#include "genvinci/studies/common/examples.h"
#include "genvinci/studies/common/image_readers.h"

namespace genvinci {
namespace {

// Features of every kind of images that something is read from; "real" has one sample.
std::vector<std::pair<std::string, torch::Tensor>> Read(const EvaluationData& data) {
  std::vector<std::pair<std::string, torch::Tensor>> all;
  for (const SourceScores& source : data.sources) all.emplace_back(source.key, source.features_NSF);
  all.emplace_back("real", data.real_NF.unsqueeze(1));
  return all;
}

// Reads (N, S, ...) off (N, S, F).
template <typename Reader>
torch::Tensor ReadSamples(const Reader& reader, const torch::Tensor& features_NSF) {
  std::vector<torch::Tensor> read;
  for (const torch::Tensor& features_NF : features_NSF.unbind(1)) read.push_back(reader.Read(features_NF));
  return torch::stack(read, 1);
}

std::vector<std::string> ClassesOf(const std::vector<std::string>& labels) {
  std::set<std::string> classes(labels.begin(), labels.end());
  classes.erase("");
  return {classes.begin(), classes.end()};
}

torch::Tensor Codes(const std::vector<std::string>& labels, const std::vector<std::string>& classes) {
  std::vector<int64_t> codes;
  for (const std::string& label : labels) {
    const auto found = std::lower_bound(classes.begin(), classes.end(), label);
    codes.push_back(found != classes.end() && *found == label ? found - classes.begin() : -1);
  }
  return torch::tensor(codes, torch::kInt64);
}

// obs columns as (rows, columns) float64.
torch::Tensor Columns(const Dataset& dataset, const std::vector<std::string>& names, const std::vector<int64_t>& rows) {
  torch::Tensor values_NT =
      torch::zeros({static_cast<int64_t>(rows.size()), static_cast<int64_t>(names.size())}, torch::kFloat64);
  auto cells = values_NT.accessor<double, 2>();
  for (size_t t = 0; t < names.size(); ++t) {
    const FrameColumn* column = dataset.obs().Find(names[t]);
    for (size_t i = 0; i < rows.size(); ++i) {
      const auto row = static_cast<size_t>(rows[i]);
      cells[static_cast<int64_t>(i)][static_cast<int64_t>(t)] =
          column->kind == FrameColumn::Kind::kFloat ? column->floats[row] : static_cast<double>(column->integers[row]);
    }
  }
  return values_NT;
}

// Columns that hold a number in every row, or none at all.
std::vector<std::string> NumberColumns(const Dataset& dataset, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    const FrameColumn* column = dataset.obs().Find(name);
    if (!column) return {};
    const bool numbers = column->kind == FrameColumn::Kind::kFloat || column->kind == FrameColumn::Kind::kInteger;
    if (!numbers || std::find(column->missing.begin(), column->missing.end(), true) != column->missing.end()) return {};
    if (column->kind == FrameColumn::Kind::kFloat &&
        std::any_of(column->floats.begin(), column->floats.end(), [](double value) { return value != value; }))
      return {};
  }
  return names;
}

std::vector<std::string> NucleiColumns(const Dataset& dataset) {
  std::vector<std::string> names;
  for (const auto& [name, column] : dataset.obs().columns) {
    if (name.starts_with("nuclei:")) names.push_back(name);
  }
  return names;
}

// What a reader of several values reads off each kind of images, against the truth.
struct ValueReading {
  std::vector<std::string> columns;
  torch::Tensor truth_NT;
  std::vector<std::pair<std::string, torch::Tensor>> read_NST;
};

ValueReading ReadValues(const EvaluationData& data, const std::vector<std::string>& names) {
  ValueReading reading{NumberColumns(data.dataset, names), {}, {}};
  if (reading.columns.empty() || data.train_rows.empty()) return reading;
  const auto part = [&](const torch::Tensor& features_NF, const std::vector<int64_t>& rows) {
    return ReaderPart{features_NF, Columns(data.dataset, reading.columns, rows)};
  };
  const ValueReader reader(part(data.train_NF, data.train_rows), part(data.val_NF, data.val_rows));
  reading.truth_NT = Columns(data.dataset, reading.columns, data.rows);
  for (const auto& [key, features_NSF] : Read(data)) {
    reading.read_NST.emplace_back(key, ReadSamples(reader, features_NSF));
  }
  return reading;
}

// Weighted correlation of (N) with (N) in each resample (R); NaN where one does not vary.
torch::Tensor Correlations(const torch::Tensor& a_N, const torch::Tensor& b_N, const torch::Tensor& weights_RN) {
  const torch::Tensor total_R = weights_RN.sum(1);
  const auto mean = [&](const torch::Tensor& values_N) { return torch::matmul(weights_RN, values_N) / total_R; };
  const torch::Tensor a = mean(a_N), b = mean(b_N);
  const torch::Tensor covariance = mean(a_N * b_N) - a * b;
  const torch::Tensor variance = (mean(a_N.square()) - a.square()) * (mean(b_N.square()) - b.square());
  return torch::where(variance > 1e-18, covariance / variance.clamp_min(1e-18).sqrt(),
                      torch::full_like(covariance, std::numeric_limits<double>::quiet_NaN()));
}

// Mean over the columns of the correlation with the truth.
Estimate MeanCorrelation(const EvaluationData& data, const torch::Tensor& truth_NT, const torch::Tensor& read_NST) {
  return data.resampler.Of(read_NST.size(1), [&](int64_t k, const torch::Tensor& weights_RN) {
    std::vector<torch::Tensor> columns;
    for (int64_t t = 0; t < truth_NT.size(1); ++t) {
      columns.push_back(Correlations(truth_NT.select(1, t).contiguous(),
                                     read_NST.select(1, k).select(1, t).contiguous(), weights_RN));
    }
    return torch::stack(columns).nanmean(0);
  });
}

// (N, S): the mean absolute error over the columns.
torch::Tensor Errors(const ValueReading& reading, const torch::Tensor& read_NST) {
  return (read_NST - reading.truth_NT.unsqueeze(1)).abs().mean(2);
}

// Rows where the obs column `unseen_mixture` is true; undefined without the column or such rows.
torch::Tensor UnseenMixtures(const EvaluationData& data) {
  const FrameColumn* column = data.dataset.obs().Find("unseen_mixture");
  if (!column || column->kind != FrameColumn::Kind::kBool) return {};
  std::vector<int64_t> unseen;
  for (size_t i = 0; i < data.rows.size(); ++i) {
    if (column->integers[static_cast<size_t>(data.rows[i])] != 0) unseen.push_back(static_cast<int64_t>(i));
  }
  return unseen.size() < 2 ? torch::Tensor() : torch::tensor(unseen, torch::kInt64);
}

Estimate Majority(const EvaluationData& data, const torch::Tensor& truth_N, const torch::Tensor& train_N) {
  const torch::Tensor labelled = train_N.index({train_N >= 0});
  const int64_t commonest = torch::bincount(labelled).argmax().item<int64_t>();
  const torch::Tensor guess_N = torch::full_like(truth_N, commonest);
  return data.resampler.Of(
      1, [&](int64_t, const torch::Tensor& weights_RN) { return BalancedAccuracies(truth_N, guess_N, weights_RN); });
}

}  // namespace

std::optional<LabelScore> ScoreLabels(const EvaluationData& data) {
  if (!data.has_features() || data.train_rows.empty()) return std::nullopt;
  const std::vector<std::string> train_labels = LabelsOf(data.dataset, data.train_rows);
  LabelScore score{ClassesOf(train_labels), {}};
  if (score.classes.size() < 2) return std::nullopt;
  const torch::Tensor truth_N = Codes(LabelsOf(data.dataset, data.rows), score.classes);
  if (!(truth_N >= 0).any().item<bool>()) return std::nullopt;
  const torch::Tensor train_N = Codes(train_labels, score.classes);
  const LabelReader reader({data.train_NF, train_N},
                           {data.val_NF, Codes(LabelsOf(data.dataset, data.val_rows), score.classes)},
                           static_cast<int64_t>(score.classes.size()));
  const auto agreement = [&](const torch::Tensor& against_N, const torch::Tensor& read_NS) {
    return data.resampler.Of(read_NS.size(1), [&](int64_t k, const torch::Tensor& weights_RN) {
      return BalancedAccuracies(against_N, read_NS.select(1, k).contiguous(), weights_RN);
    });
  };
  for (const auto& [key, features_NSF] : Read(data))
    score.estimates.Add(key, agreement(truth_N, ReadSamples(reader, features_NSF)));
  if (!data.other.empty()) {
    const torch::Tensor other_N = truth_N.index_select(0, torch::tensor(data.other, torch::kInt64));
    score.estimates.Add("shuffled", agreement(other_N, ReadSamples(reader, data.generated().features_NSF)));
  }
  score.estimates.Add("majority", Majority(data, truth_N, train_N));
  if (!std::isnan(reader.val_accuracy())) score.val = reader.val_accuracy();
  return score;
}

std::optional<ValueScore> ScoreProportions(const EvaluationData& data) {
  if (!data.has_features()) return std::nullopt;
  const ValueReading reading = ReadValues(data, data.dataset.info().proportion_columns);
  if (reading.read_NST.empty()) return std::nullopt;
  const torch::Tensor unseen_N = UnseenMixtures(data);
  ValueScore score{reading.columns, {}, {}};
  if (unseen_N.defined()) score.n_unseen = unseen_N.size(0);
  for (const auto& [key, read_NST] : reading.read_NST) {
    score.correlation.Add(key, MeanCorrelation(data, reading.truth_NT, read_NST));
    const torch::Tensor errors_NS = Errors(reading, read_NST.clamp(0, 1));
    score.error.Add(key, data.resampler.Mean(errors_NS));
    if (!unseen_N.defined()) continue;
    score.error_unseen.Add(key, data.resampler.Subset(unseen_N).Mean(errors_NS.index_select(0, unseen_N)));
  }
  return score;
}

std::optional<ValueScore> ScoreNuclei(const EvaluationData& data) {
  if (!data.has_features()) return std::nullopt;
  const ValueReading reading = ReadValues(data, NucleiColumns(data.dataset));
  if (reading.read_NST.empty()) return std::nullopt;
  ValueScore score{reading.columns, {}, {}};
  for (const auto& [key, read_NST] : reading.read_NST) {
    score.correlation.Add(key, MeanCorrelation(data, reading.truth_NT, read_NST));
    score.error.Add(key, data.resampler.Mean(Errors(reading, read_NST.clamp_min(0))));
  }
  return score;
}

}  // namespace genvinci
