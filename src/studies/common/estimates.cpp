#include "genvinci/studies/common/estimates.h"

#include <cmath>

namespace genvinci {
namespace {

Json NumberOrNull(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

Json IntervalJson(const std::optional<Interval>& interval) {
  if (!interval) return nullptr;
  return {NumberOrNull(interval->low), NumberOrNull(interval->high)};
}

}  // namespace

Json Estimate::ToJson() const {
  return {{"value", NumberOrNull(value)},
          {"ci95", IntervalJson(observations)},
          {"ci95_groups", IntervalJson(groups)},
          {"ci95_seeds", IntervalJson(seeds)}};
}

const Estimate* Estimates::Find(const std::string& kind) const {
  for (const auto& [name, estimate] : all_)
    if (name == kind) return &estimate;
  return nullptr;
}

Json Estimates::ToJson() const {
  Json json = Json::object();
  for (const auto& [kind, estimate] : all_) json[kind] = estimate.ToJson();
  return json;
}

Json Estimates::Values() const {
  Json json = Json::object();
  for (const auto& [kind, estimate] : all_) json[kind] = NumberOrNull(estimate.value);
  return json;
}

}  // namespace genvinci
