#include "genvinci/core/options.h"

#include <algorithm>

namespace genvinci::internal {
namespace {

// Values stand in one-line messages: a long one is cut.
std::string Shown(const Json& json) {
  std::string text = json.dump(-1, ' ', /*ensure_ascii=*/true, Json::error_handler_t::replace);
  if (text.size() > 80) text = text.substr(0, 77) + "...";
  return text;
}

[[noreturn]] void WrongType(const std::string& key, const char* expected, const Json& json) {
  throw ConfigError("CONFIG_TYPE", "{}: expected {}, got {}", key, expected, Shown(json));
}

}  // namespace

void CheckLimit(const std::string& key, double value, const Range& range) {
  if (value >= range.lowest && value <= range.highest) return;
  throw ConfigError("CONFIG_RANGE", "{}: {} is not within {} to {}", key, value, range.lowest, range.highest);
}

void CheckLimit(const std::string& key, const std::string& value, const Choices& choices) {
  const auto& values = choices.values;
  if (std::find(values.begin(), values.end(), value) != values.end()) return;
  throw ConfigError("CONFIG_CHOICE", "{}: '{}' is none of {}{}", key, value, JoinText(values, ", "),
                    DidYouMean(value, values));
}

void ReadField(const std::string& key, const Json& json, bool& out) {
  if (!json.is_boolean()) WrongType(key, "true or false", json);
  out = json.get<bool>();
}

void ReadField(const std::string& key, const Json& json, int64_t& out) {
  if (!json.is_number_integer()) WrongType(key, "a whole number", json);
  if (json.is_number_unsigned() && json.get<uint64_t>() > uint64_t{std::numeric_limits<int64_t>::max()})
    throw ConfigError("CONFIG_RANGE", "{}: {} is over {}", key, Shown(json), std::numeric_limits<int64_t>::max());
  out = json.get<int64_t>();
}

void ReadField(const std::string& key, const Json& json, double& out) {
  if (!json.is_number()) WrongType(key, "a number", json);
  out = json.get<double>();
}

void ReadField(const std::string& key, const Json& json, std::string& out) {
  if (!json.is_string()) WrongType(key, "a text", json);
  out = json.get<std::string>();
}

void Reader::Finish() const {
  for (const auto& [key, value] : json.items()) {
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    const std::string hint = DidYouMean(key, known);
    throw ConfigError("CONFIG_UNKNOWN_KEY", "{}{}: unknown key{}", prefix, key,
                      hint.empty() ? ": known are " + JoinText(known, ", ") : hint);
  }
}

}  // namespace genvinci::internal
