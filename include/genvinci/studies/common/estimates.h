#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "genvinci/core/json.h"
#include "genvinci/metrics/bootstrap.h"

namespace genvinci {

// A score and how sure it is: 95 % bootstrap intervals.
struct Estimate {
  double value = 0;
  std::optional<Interval> observations = {};  // drawn anew
  std::optional<Interval> groups = {};        // whole sections or patients drawn anew, where there are several
  std::optional<Interval> seeds = {};         // samples drawn anew, where there are several

  // {"value", "ci95", "ci95_groups", "ci95_seeds"}; what is not there or not finite is null.
  Json ToJson() const;
};

// One score of several kinds of images ("generated", "cnn", ...), in the order in which they were added.
class Estimates {
 public:
  void Add(std::string kind, Estimate estimate) { all_.emplace_back(std::move(kind), std::move(estimate)); }

  bool empty() const { return all_.empty(); }
  const Estimate* Find(const std::string& kind) const;  // null: none
  auto begin() const { return all_.begin(); }
  auto end() const { return all_.end(); }

  Json ToJson() const;  // {"<kind>": Estimate's}
  Json Values() const;  // {"<kind>": number or null}

 private:
  std::vector<std::pair<std::string, Estimate>> all_;
};

}  // namespace genvinci
