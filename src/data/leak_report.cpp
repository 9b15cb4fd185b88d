#include "genvinci/data/leak_report.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <map>
#include <set>
#include <tuple>

#include "genvinci/core/error.h"
#include "genvinci/core/text.h"

namespace genvinci {
namespace {

constexpr size_t kExamples = 5;

uint64_t Mix(uint64_t value) {  // the finalizer of SplitMix64
  value ^= value >> 30;
  value *= 0xbf58476d1ce4e5b9ULL;
  value ^= value >> 27;
  value *= 0x94d049bb133111ebULL;
  return value ^ (value >> 31);
}

struct Placed {
  int64_t left, top, index;
};

using Cell = std::tuple<int32_t, int64_t, int64_t>;

int64_t FloorDivide(int64_t value, int64_t by) { return value >= 0 ? value / by : -((-value + by - 1) / by); }

std::string Example(const LeakSubjects& subjects, int64_t a, int64_t b) {
  return fmt::format("{} ({}) and {} ({})", subjects.names[a], Name(subjects.splits[a]), subjects.names[b],
                     Name(subjects.splits[b]));
}

void FindRepeats(const LeakSubjects& subjects, LeakReport& report) {
  std::map<ProfileHash, std::vector<int64_t>> groups;
  for (size_t i = 0; i < subjects.profiles.size(); ++i) groups[subjects.profiles[i]].push_back(static_cast<int64_t>(i));
  for (size_t i = 0; i < subjects.profiles.size(); ++i) {
    if (subjects.splits[i] == Split::kTrain) continue;
    const std::vector<int64_t>& members = groups[subjects.profiles[i]];
    const auto other = std::find_if(members.begin(), members.end(), [&](int64_t candidate) {
      return subjects.splits[static_cast<size_t>(candidate)] < subjects.splits[i];
    });
    if (other == members.end()) continue;
    ++report.repeated_profiles;
    if (report.repeat_examples.size() < kExamples)
      report.repeat_examples.push_back(Example(subjects, *other, static_cast<int64_t>(i)));
  }
}

void FindSharedPatients(const LeakSubjects& subjects, LeakReport& report) {
  std::set<std::string> training, held_out;
  for (size_t i = 0; i < subjects.patients.size(); ++i)
    (subjects.splits[i] == Split::kTrain ? training : held_out).insert(subjects.patients[i]);
  report.patients_known = held_out.empty() || !(training.contains("") || held_out.contains(""));
  for (const std::string& patient : held_out)
    if (!patient.empty() && training.contains(patient)) report.shared_patients.push_back(patient);
}

}  // namespace

int64_t PatchStart(double centre, int64_t side) { return std::llround(centre - static_cast<double>(side) / 2); }

ProfileHash HashProfile(std::span<const int32_t> columns, std::span<const float> counts) {
  ProfileHash hash{0x9e3779b97f4a7c15ULL, 0xd1b54a32d192ed03ULL};
  for (size_t k = 0; k < columns.size(); ++k) {
    const uint64_t entry = (uint64_t{static_cast<uint32_t>(columns[k])} << 32) | std::bit_cast<uint32_t>(counts[k]);
    hash.high = Mix(hash.high ^ entry) + 0x9e3779b97f4a7c15ULL;
    hash.low = Mix(hash.low + entry * 0xff51afd7ed558ccdULL);
  }
  return hash;
}

std::vector<std::pair<int64_t, int64_t>> OverlapsAcrossSplits(const LeakSubjects& subjects) {
  std::vector<std::pair<int64_t, int64_t>> pairs;
  const auto side = static_cast<int64_t>(subjects.patch_side);
  if (side <= 0) return pairs;
  // Squares that overlap start less than a side apart, so they are in the same or in neighbouring cells.
  std::map<Cell, std::vector<Placed>> cells;
  for (size_t i = 0; i < subjects.x.size(); ++i) {
    if (!std::isfinite(subjects.x[i]) || !std::isfinite(subjects.y[i])) continue;
    const Placed placed{PatchStart(subjects.x[i], side), PatchStart(subjects.y[i], side), static_cast<int64_t>(i)};
    const int32_t section = subjects.sections[i];
    const int64_t column = FloorDivide(placed.left, side), row = FloorDivide(placed.top, side);
    for (int64_t dx = -1; dx <= 1; ++dx) {
      for (int64_t dy = -1; dy <= 1; ++dy) {
        const auto found = cells.find({section, column + dx, row + dy});
        if (found == cells.end()) continue;
        for (const Placed& other : found->second) {
          if (subjects.splits[other.index] == subjects.splits[i]) continue;
          if (std::abs(other.left - placed.left) < side && std::abs(other.top - placed.top) < side)
            pairs.emplace_back(other.index, static_cast<int64_t>(i));
        }
      }
    }
    cells[{section, column, row}].push_back(placed);
  }
  return pairs;
}

LeakReport FindLeaks(const LeakSubjects& subjects) {
  LeakReport report;
  const auto pairs = OverlapsAcrossSplits(subjects);
  report.overlapping_pairs = static_cast<int64_t>(pairs.size());
  for (size_t k = 0; k < pairs.size() && k < kExamples; ++k)
    report.overlap_examples.push_back(Example(subjects, pairs[k].first, pairs[k].second));
  FindRepeats(subjects, report);
  FindSharedPatients(subjects, report);
  return report;
}

Json LeakReport::ToJson() const {
  Json json;
  json["overlapping_patch_pairs"] = overlapping_pairs;
  json["overlap_examples"] = overlap_examples;
  json["repeated_profiles"] = repeated_profiles;
  json["repeat_examples"] = repeat_examples;
  json["patients_known"] = patients_known;
  json["shared_patients"] = shared_patients;
  json["allowed"] = allowed;
  return json;
}

std::string LeakReport::Text() const {
  std::string text = fmt::format("{} pairs of patches overlap across the split", overlapping_pairs);
  if (!overlap_examples.empty()) text += fmt::format(" ({})", JoinText(overlap_examples, "; "));
  text += fmt::format(", {} profiles repeat across it", repeated_profiles);
  if (!repeat_examples.empty()) text += fmt::format(" ({})", JoinText(repeat_examples, "; "));
  if (!shared_patients.empty())
    text += fmt::format("; patient {} is on both sides", JoinText(shared_patients, ", "));
  else if (!patients_known)
    text += "; patients are not known";
  return text;
}

void RefuseLeaks(LeakReport& report, bool allow, const std::string& source) {
  report.allowed = report.leaks() && allow;
  if (!report.leaks() || allow) return;
  throw DataError("SPLIT_LEAK", "{}: {}: choose another split or a smaller patch, or pass --allow_leak to keep it",
                  source, report.Text());
}

}  // namespace genvinci
