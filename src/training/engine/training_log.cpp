#include "genvinci/training/engine/training_log.h"

#include <fmt/format.h>

#include <algorithm>

namespace genvinci {

void StepNumbers::Add(const std::string& part, double value) {
  const auto found = std::find_if(parts.begin(), parts.end(), [&](const auto& one) { return one.first == part; });
  if (found == parts.end())
    parts.emplace_back(part, value);
  else
    found->second += value;
}

void TrainingLog::Start(int64_t steps) { progress_ = std::make_unique<Progress>("training", steps, "steps"); }

void TrainingLog::Step(int64_t step, const StepNumbers& numbers, int64_t samples, double seconds, bool writes) {
  window_.loss += numbers.loss;
  for (const auto& [name, value] : numbers.parts) window_.Add(name, value);
  ++count_;
  progress_->SetNote(fmt::format("loss {:.4g}", window_.loss / static_cast<double>(count_)));
  progress_->Add(1);
  if (!writes) return;
  const auto mean = [&](double sum) { return sum / static_cast<double>(count_); };
  Json row = {{"step", step}, {"loss", mean(window_.loss)}};
  for (const auto& [name, sum] : window_.parts) row[name] = mean(sum);
  row["lr"] = numbers.lr;
  row["gradient_norm"] = numbers.gradient_norm;
  row["samples"] = samples;
  row["seconds"] = seconds;
  folder_.AppendMetrics(row);
  for (const auto& [name, value] : row.items()) {
    if (name != "step" && value.is_number()) events_.Scalar("train/" + name, step, value.get<double>());
  }
  window_ = {};
  count_ = 0;
}

void TrainingLog::Evaluation(int64_t step, const Json& metrics, double seconds) {
  Json row = {{"step", step}};
  row.update(metrics);
  row["seconds"] = seconds;
  folder_.AppendMetrics(row);
  for (const auto& [name, value] : metrics.items()) {
    if (value.is_number()) events_.Scalar("val/" + name, step, value.get<double>());
  }
  events_.Flush();
}

Json TrainingLog::State() const {
  Json parts = Json::array();
  for (const auto& [name, sum] : window_.parts) parts.push_back({name, sum});
  return {{"loss", window_.loss}, {"parts", parts}, {"count", count_}};
}

void TrainingLog::Load(const Json& state) {
  window_.loss = state.at("loss").get<double>();
  for (const Json& part : state.at("parts")) window_.Add(part.at(0).get<std::string>(), part.at(1).get<double>());
  count_ = state.at("count").get<int64_t>();
}

}  // namespace genvinci
