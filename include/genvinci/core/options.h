#pragma once

#include <array>
#include <concepts>
#include <functional>
#include <limits>
#include <optional>
#include <set>
#include <string>
#include <type_traits>
#include <vector>

#include "genvinci/core/error.h"
#include "genvinci/core/json.h"
#include "genvinci/core/text.h"

// Option structs list their fields once; JSON, --set, command-line flags and help all come from that list:
//
//   struct TrainOptions {
//     double lr = 1e-3;
//     std::string objective = "eps";
//     UNetConfig unet;                                    // has a Fields of its own: the JSON object "unet"
//     template <typename Visitor> void Fields(Visitor& v) {
//       v.Group("Training");
//       v("lr", lr, "learning rate", Range{1e-9, 1.0});
//       v("save_steps", save_steps, "save every so many steps", Range{0, 1e9}, kDecidesNoNumber);
//       v("objective", objective, "what the network predicts", Choices{{"eps", "v"}});
//       v("unet", unet, "sizes of the UNet");
//     }
//   };
//
// Field types: bool, int64_t, double, std::string, std::vector of these, std::optional of a scalar, nested structs,
// Json (taken as it is).
// Behind the help text come attributes in any order: Range or Choices, which values must keep to, and kDecidesNoNumber,
// which says that a run may be resumed with another value and still gives the same bits. Group names the heading under
// which help lists the fields that follow; fields of a nested struct go under its own groups.

namespace genvinci {

struct Range {
  double lowest = -std::numeric_limits<double>::infinity();
  double highest = std::numeric_limits<double>::infinity();
};

struct Choices {
  std::vector<std::string> values;
};

// The names of a table of {name, functions...}, copied when compiling: whoever lists them needs none of the functions.
template <typename Entry, size_t kSize>
constexpr std::array<const char*, kSize> NamesIn(const Entry (&table)[kSize]) {
  std::array<const char*, kSize> names{};
  for (size_t i = 0; i < kSize; ++i) names[i] = table[i].name;
  return names;
}
template <size_t kSize>
std::vector<std::string> Listed(const std::array<const char*, kSize>& names) {
  return {names.begin(), names.end()};
}

struct DecidesNoNumber {};
inline constexpr DecidesNoNumber kDecidesNoNumber;

// What visitors of fields have in common.
struct FieldVisitor {
  void Group(const char*) {}
};

namespace internal {

struct AnyVisitor : FieldVisitor {
  template <typename... Args>
  void operator()(Args&&...) {}
};

template <typename T>
concept HasFields = requires(T t, AnyVisitor v) {
  t.Fields(v);
};

template <typename T>
struct IsOptional : std::false_type {};
template <typename T>
struct IsOptional<std::optional<T>> : std::true_type {};
template <typename T>
struct IsVector : std::false_type {};
template <typename T>
struct IsVector<std::vector<T>> : std::true_type {};

template <typename T>
void CheckLimit(const std::string&, const T&, const DecidesNoNumber&) {}
void CheckLimit(const std::string& key, double value, const Range& range);
void CheckLimit(const std::string& key, const std::string& value, const Choices& choices);
template <typename T, typename Limit>
requires(!std::is_same_v<Limit, DecidesNoNumber>) void CheckLimit(const std::string& key, const std::vector<T>& values,
                                                                  const Limit& limit) {
  for (const T& value : values) CheckLimit(key, value, limit);
}
template <typename T, typename Limit>
requires(!std::is_same_v<Limit, DecidesNoNumber>) void CheckLimit(const std::string& key, const std::optional<T>& value,
                                                                  const Limit& limit) {
  if (value) CheckLimit(key, *value, limit);
}

void ReadField(const std::string& key, const Json& json, bool& out);
void ReadField(const std::string& key, const Json& json, int64_t& out);
void ReadField(const std::string& key, const Json& json, double& out);
void ReadField(const std::string& key, const Json& json, std::string& out);
inline void ReadField(const std::string&, const Json& json, Json& out) { out = json; }
template <typename T>
void ReadField(const std::string& key, const Json& json, std::vector<T>& out) {
  if (!json.is_array()) throw ConfigError("CONFIG_TYPE", "{}: expected a list, got {}", key, json.dump());
  out.clear();
  for (const Json& item : json) {
    T value{};
    ReadField(key, item, value);
    out.push_back(std::move(value));
  }
}
template <typename T>
void ReadField(const std::string& key, const Json& json, std::optional<T>& out) {
  if (json.is_null()) {
    out.reset();
    return;
  }
  out.emplace();
  ReadField(key, json, *out);
}

struct Writer : FieldVisitor {
  Json json = Json::object();
  template <typename T, typename... Attributes>
  void operator()(const char* name, T& value, const char*, const Attributes&...) {
    if constexpr (HasFields<T>) {
      Writer inner;
      value.Fields(inner);
      json[name] = std::move(inner.json);
    } else if constexpr (IsOptional<T>::value) {
      json[name] = value ? Json(*value) : Json(nullptr);
    } else {
      json[name] = value;
    }
  }
};

struct Reader : FieldVisitor {
  Reader(const Json& json, std::string prefix) : json(json), prefix(std::move(prefix)) {}

  const Json& json;
  std::string prefix;
  std::vector<std::string> known;
  template <typename T, typename... Attributes>
  void operator()(const char* name, T& value, const char*, const Attributes&... attributes) {
    known.push_back(name);
    const auto found = json.find(name);
    if (found == json.end()) return;
    const std::string key = prefix + name;
    if constexpr (HasFields<T>) {
      if (!found->is_object()) throw ConfigError("CONFIG_TYPE", "{}: expected an object", key);
      Reader inner(*found, key + ".");
      value.Fields(inner);
      inner.Finish();
    } else {
      ReadField(key, *found, value);
      (CheckLimit(key, value, attributes), ...);
    }
  }
  // An unknown key is a ConfigError (CONFIG_UNKNOWN_KEY) that offers the nearest known one.
  void Finish() const;
};

// Dotted names of the fields with kDecidesNoNumber.
struct FreeFields : FieldVisitor {
  std::string prefix;
  std::set<std::string> names;
  template <typename T, typename... Attributes>
  void operator()(const char* name, T& value, const char*, const Attributes&...) {
    if constexpr ((std::is_same_v<Attributes, DecidesNoNumber> || ...)) {
      names.insert(prefix + name);
    } else if constexpr (HasFields<T>) {
      const std::string outer = prefix;
      prefix += std::string(name) + ".";
      value.Fields(*this);
      prefix = outer;
    }
  }
};

}  // namespace internal

// Dotted names ("training.save_steps") of the fields, or whole structs, that decide no number.
template <typename Options>
std::set<std::string> FieldsThatDecideNoNumber() {
  internal::FreeFields visitor;
  Options options;
  options.Fields(visitor);
  return std::move(visitor.names);
}

template <typename Options>
Json ToJson(const Options& options) {
  internal::Writer writer;
  Options copy = options;
  copy.Fields(writer);
  return std::move(writer.json);
}

// Sets the fields that `json` names; strict. `source` (a file or a flag) starts the error's text.
template <typename Options>
void FromJson(const Json& json, Options& options, const std::string& source) {
  if (!json.is_object()) throw ConfigError("CONFIG_TYPE", "{}: expected an object", source);
  internal::Reader reader(json, source.empty() ? "" : source + ": ");
  options.Fields(reader);
  reader.Finish();
}

// The same from a JSON that holds other things too: keys that are no fields are left alone.
template <typename Options>
void FromPartOfJson(const Json& json, Options& options, const std::string& source) {
  if (!json.is_object()) throw ConfigError("CONFIG_TYPE", "{}: expected an object", source);
  internal::Reader reader(json, source.empty() ? "" : source + ": ");
  options.Fields(reader);
}

}  // namespace genvinci
