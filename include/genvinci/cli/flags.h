#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include "genvinci/core/options.h"
#include "genvinci/core/text.h"

namespace genvinci {

// The command line of an options struct, made from its Fields. Each field is a flag in both spellings (--batch_size,
// --batch-size); the structs named in kFlatGroups give flags of their own (`training.lr` is --lr); any other nested
// struct is reached through --set and --config.
class Flags {
 public:
  template <typename Options>
  void Register(CLI::App& app, Options defaults, const std::string& positional = "") {
    Visitor visitor{*this, app, {}, positional};
    defaults.Fields(visitor);
  }

  // The flags that were given, as JSON. UsageError (FLAG_VALUE).
  Json Given() const;

 private:
  enum class Type { kBool, kInteger, kNumber, kText };
  struct Flag {
    std::vector<std::string> path;  // keys from the outermost struct
    Type type;
    bool list;
    CLI::Option* option;
    std::vector<std::string> texts;
    bool on = false;
  };

  struct Visitor {
    Flags& flags;
    CLI::App& app;
    std::vector<std::string> prefix;
    std::string positional;
    template <typename T, typename Limit = NoLimit>
    void operator()(const char* name, T& value, const char* help, const Limit& = {}) {
      if constexpr (internal::HasFields<T>) {
        if (!IsFlat(name)) return;
        Visitor inner{flags, app, prefix, ""};
        inner.prefix.push_back(name);
        value.Fields(inner);
      } else {
        std::vector<std::string> path = prefix;
        path.push_back(name);
        flags.Add(app, std::move(path), TypeOf<T>(), internal::IsVector<T>::value, help, DefaultText(value),
                  name == positional);
      }
    }
  };

  template <typename T>
  static constexpr Type TypeOf() {
    if constexpr (internal::IsVector<T>::value || internal::IsOptional<T>::value) {
      return TypeOf<typename T::value_type>();
    } else if constexpr (std::is_same_v<T, bool>) {
      return Type::kBool;
    } else if constexpr (std::is_same_v<T, int64_t>) {
      return Type::kInteger;
    } else if constexpr (std::is_same_v<T, double>) {
      return Type::kNumber;
    } else {
      return Type::kText;
    }
  }

  template <typename T>
  static std::string DefaultText(const T& value) {
    if constexpr (internal::IsOptional<T>::value) {
      return "";
    } else if constexpr (std::is_same_v<T, std::string>) {
      return value;
    } else if constexpr (internal::IsVector<T>::value) {
      std::vector<std::string> texts;
      for (const auto& item : value) texts.push_back(DefaultText(item));
      return JoinText(texts, ",");
    } else {
      return Json(value).dump();
    }
  }

  static bool IsFlat(const std::string& group);
  void Add(CLI::App& app, std::vector<std::string> path, Type type, bool list, const std::string& help,
           const std::string& default_text, bool positional);

  std::vector<std::unique_ptr<Flag>> flags_;
};

// --config FILE and --set a.b=value, which every command has.
class ConfigSources {
 public:
  void Register(CLI::App& app);
  // The file's object with every --set applied in order. A run.json is accepted as it stands (its "options" are taken).
  Json Read() const;

 private:
  std::string config_;
  std::vector<std::string> sets_;
};

// "--batch_size,--batch-size" for "batch_size".
std::string BothSpellings(const std::string& name);

}  // namespace genvinci
