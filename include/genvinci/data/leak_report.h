#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "genvinci/core/json.h"
#include "genvinci/data/dataset.h"

namespace genvinci {

// 128 bits over the non-zero counts of a profile: equal profiles have equal hashes.
struct ProfileHash {
  uint64_t high = 0, low = 0;
  auto operator<=>(const ProfileHash&) const = default;
};
ProfileHash HashProfile(std::span<const int32_t> columns, std::span<const float> counts);

// Left (or upper) edge, in px, of a patch of `side` px around `centre`.
int64_t PatchStart(double centre, int64_t side);

// The observations of a split, in one order.
struct LeakSubjects {
  std::span<const std::string> names, patients;  // a patient of "" is unknown
  std::span<const int32_t> sections;             // which image a position belongs to
  std::span<const double> x, y;                  // centre in px, NaN: none
  std::span<const ProfileHash> profiles;
  std::span<const Split> splits;
  double patch_side = 0;  // px; 0: there are no patches to overlap
};

// Every pair of observations of different splits whose patches share a pixel of the same section image.
std::vector<std::pair<int64_t, int64_t>> OverlapsAcrossSplits(const LeakSubjects& subjects);

struct LeakReport {
  int64_t overlapping_pairs = 0;
  int64_t repeated_profiles = 0;  // observations outside the training part whose profile another split has too
  std::vector<std::string> overlap_examples, repeat_examples;  // "a (train) and b (test)", five at most
  bool patients_known = true;
  std::vector<std::string> shared_patients;  // in the training part and outside of it
  bool allowed = false;

  bool leaks() const { return overlapping_pairs > 0 || repeated_profiles > 0; }
  // A patient is on both sides, or it cannot be told.
  bool same_patient() const { return !shared_patients.empty() || !patients_known; }
  Json ToJson() const;
  std::string Text() const;
};

LeakReport FindLeaks(const LeakSubjects& subjects);

// DataError SPLIT_LEAK with the report's text, unless `allow`.
void RefuseLeaks(LeakReport& report, bool allow, const std::string& source);

}  // namespace genvinci
