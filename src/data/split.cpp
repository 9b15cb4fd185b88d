#include "genvinci/data/split.h"

#include <cmath>
#include <map>
#include <random>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include "genvinci/core/error.h"
#include "genvinci/core/text.h"

namespace genvinci {
namespace {

constexpr size_t kValuesShown = 20;

std::string ShownValues(const std::set<std::string>& values) {
  std::vector<std::string> shown;
  for (const std::string& value : values) {
    if (shown.size() == kValuesShown) break;
    shown.push_back(value);
  }
  std::string text = JoinText(shown, ", ");
  if (values.size() > shown.size()) text += fmt::format(" and {} more", values.size() - shown.size());
  return text;
}

std::string Block(const SplitSubjects& subjects, size_t i, double size, const std::pair<double, double>& origin) {
  if (!std::isfinite(subjects.x[i]) || !std::isfinite(subjects.y[i])) return subjects.names[i];
  const auto column = static_cast<int64_t>(std::floor((subjects.x[i] - origin.first) / size));
  const auto row = static_cast<int64_t>(std::floor((subjects.y[i] - origin.second) / size));
  return fmt::format("{}:{},{}", subjects.sections[i], column, row);
}

std::vector<std::string> Blocks(const SplitSubjects& subjects, double size) {
  GENVINCI_CHECK(size > 0, "block size {}", size);
  std::unordered_map<std::string, std::pair<double, double>> origins;
  for (size_t i = 0; i < subjects.names.size(); ++i) {
    if (!std::isfinite(subjects.x[i]) || !std::isfinite(subjects.y[i])) continue;
    auto [found, is_new] = origins.try_emplace(subjects.sections[i], subjects.x[i], subjects.y[i]);
    if (is_new) continue;
    found->second.first = std::min(found->second.first, subjects.x[i]);
    found->second.second = std::min(found->second.second, subjects.y[i]);
  }
  std::vector<std::string> blocks;
  blocks.reserve(subjects.names.size());
  for (size_t i = 0; i < subjects.names.size(); ++i)
    blocks.push_back(Block(subjects, i, size, origins[subjects.sections[i]]));
  return blocks;
}

// The value of each observation that the split is made by.
std::vector<std::string> Values(const SplitRules& rules, const SplitSubjects& subjects,
                                const std::vector<std::string>& blocks) {
  if (rules.kind == "section") return {subjects.sections.begin(), subjects.sections.end()};
  if (rules.kind == "patient") return {subjects.patients.begin(), subjects.patients.end()};
  if (rules.kind == "block") return blocks;
  if (!rules.kind.starts_with("obs:"))
    throw UsageError("SPLIT_KIND", "--split {}: unknown: give patient, section, block, prefix or obs:COLUMN",
                     rules.kind);
  const std::string name = rules.kind.substr(4);
  const FrameColumn* column = subjects.obs ? subjects.obs->Find(name) : nullptr;
  if (!column) {
    std::vector<std::string> names;
    if (subjects.obs)
      for (const auto& [known, unused] : subjects.obs->columns) names.push_back(known);
    throw UsageError("SPLIT_COLUMN", "--split {}: obs has no column '{}': the columns are {}", rules.kind, name,
                     names.empty() ? "none" : JoinText(names, ", "));
  }
  std::vector<std::string> values(subjects.names.size());
  for (size_t i = 0; i < values.size(); ++i) values[i] = column->Text(i);
  return values;
}

void RequireKnown(const SplitRules& rules, const std::vector<std::string>& asked, const char* flag,
                  const std::set<std::string>& known) {
  for (const std::string& value : asked) {
    if (known.contains(value)) continue;
    throw UsageError("SPLIT_VALUE", "{} {}: no observation has this value of --split {}: the values are {}", flag,
                     value, rules.kind, ShownValues(known));
  }
}

void AssignByValue(const SplitRules& rules, const std::vector<std::string>& values, std::vector<Split>& splits) {
  const std::set<std::string> known(values.begin(), values.end());
  RequireKnown(rules, rules.test_values, "--test_values", known);
  RequireKnown(rules, rules.val_values, "--val_values", known);
  const std::unordered_set<std::string> test(rules.test_values.begin(), rules.test_values.end());
  const std::unordered_set<std::string> val(rules.val_values.begin(), rules.val_values.end());
  for (size_t i = 0; i < values.size(); ++i) {
    if (test.contains(values[i])) splits[i] = Split::kTest;
    if (val.contains(values[i])) splits[i] = Split::kVal;
  }
}

void AssignPrefix(const std::string& prefix, Split split, std::span<const std::string> names,
                  std::vector<Split>& splits) {
  bool found = false;
  for (size_t i = 0; i < names.size(); ++i) {
    if (!names[i].starts_with(prefix)) continue;
    found = true;
    if (splits[i] != Split::kTrain && splits[i] != split)
      throw UsageError("SPLIT_VALUE_TWICE",
                       "prefix {}: '{}' would both test and validate: give prefixes that exclude each other", prefix,
                       names[i]);
    splits[i] = split;
  }
  if (found) return;
  std::set<std::string> shown;
  for (size_t i = 0; i < names.size() && i < 5; ++i) shown.insert(names[i]);
  throw UsageError("SPLIT_VALUE", "prefix {}: no obs_name starts with it: the names are like {}", prefix,
                   ShownValues(shown));
}

// The standard fixes the generator's numbers but not std::shuffle, so the order is drawn here.
std::vector<std::string> ShuffledBlocks(const std::map<std::string, int64_t>& sizes, int64_t seed, uint64_t stream) {
  std::vector<std::string> order;
  for (const auto& [name, size] : sizes) order.push_back(name);
  std::seed_seq sequence{static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32), static_cast<uint32_t>(stream)};
  std::mt19937_64 random(sequence);
  for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random() % i]);
  return order;
}

// Moves about `fraction` of the training part to `split`, whole blocks at a time.
void HoldOutBlocks(double fraction, Split split, const SplitRules& rules, SplitResult& result) {
  std::map<std::string, int64_t> sizes;
  int64_t training = 0;
  for (size_t i = 0; i < result.splits.size(); ++i) {
    if (result.splits[i] != Split::kTrain) continue;
    ++sizes[result.blocks[i]];
    ++training;
  }
  if (sizes.size() < 2)
    throw DataError(
        "SPLIT_BLOCKS",
        "--split {}: the training part is {} block(s) of side {:.0f}, two are needed: give a smaller --block_size",
        rules.kind, sizes.size(), rules.block_size);
  const double target = fraction * static_cast<double>(training);
  double taken = 0;
  std::unordered_set<std::string> chosen;
  for (const std::string& block : ShuffledBlocks(sizes, rules.seed, static_cast<uint64_t>(split))) {
    const auto size = static_cast<double>(sizes[block]);
    if (std::abs(taken + size - target) >= std::abs(taken - target) && taken > 0) continue;
    if (chosen.size() + 1 == sizes.size()) break;
    chosen.insert(block);
    taken += size;
  }
  for (size_t i = 0; i < result.splits.size(); ++i) {
    if (result.splits[i] != Split::kTrain || !chosen.contains(result.blocks[i])) continue;
    result.splits[i] = split;
    result.by_block[i] = true;
  }
}

void RequireDifferentValues(const SplitRules& rules) {
  for (const std::string& value : rules.test_values)
    for (const std::string& other : rules.val_values)
      if (value == other)
        throw UsageError("SPLIT_VALUE_TWICE",
                         "{}: in --test_values and in --val_values: an observation is in one split", value);
}

}  // namespace

SplitResult AssignSplits(const SplitRules& rules, const SplitSubjects& subjects) {
  RequireDifferentValues(rules);
  SplitResult result;
  const size_t n = subjects.names.size();
  if (rules.kind == "none") {
    if (!rules.test_values.empty() || !rules.val_values.empty() || rules.val_fraction > 0)
      throw UsageError("SPLIT_NONE", "--split none: all observations are to be drawn: leave out what holds some out");
    result.splits.assign(n, Split::kTest);
    result.by_block.assign(n, false);
    return result;
  }
  result.splits.assign(n, Split::kTrain);
  result.by_block.assign(n, false);
  if (rules.kind == "block" || rules.val_fraction > 0) result.blocks = Blocks(subjects, rules.block_size);
  if (rules.kind == "prefix") {
    for (const std::string& prefix : rules.test_values)
      AssignPrefix(prefix, Split::kTest, subjects.names, result.splits);
    for (const std::string& prefix : rules.val_values) AssignPrefix(prefix, Split::kVal, subjects.names, result.splits);
  } else {
    AssignByValue(rules, Values(rules, subjects, result.blocks), result.splits);
  }
  if (rules.kind == "block") {
    for (size_t i = 0; i < n; ++i) result.by_block[i] = result.splits[i] != Split::kTrain;
    if (rules.test_values.empty()) HoldOutBlocks(kBlockTestFraction, Split::kTest, rules, result);
  }
  if (rules.val_fraction > 0) HoldOutBlocks(rules.val_fraction, Split::kVal, rules, result);
  if (std::find(result.splits.begin(), result.splits.end(), Split::kTrain) == result.splits.end())
    throw DataError("SPLIT_EMPTY",
                    "--split {}: no observation is left to train on: hold out fewer values, or give --split none for "
                    "tissue that a trained model draws",
                    rules.kind);
  return result;
}

}  // namespace genvinci
