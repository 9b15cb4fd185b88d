#pragma once

#include <CLI/CLI.hpp>
#include <map>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "genvinci/commands/command_list.h"
#include "genvinci/core/options.h"
#include "genvinci/core/text.h"
#include "genvinci/training/default_options.h"

namespace genvinci {

// What help says of one flag.
struct FlagText {
  std::string name;   // "batch_size"
  std::string type;   // "INT", "NUMBER", "TEXT", "" for a switch; "..." follows where several are taken
  std::string group;  // "Training"
  std::string help;
  std::vector<std::string> choices;
  // What holds without the flag: first for --model small, then for the sizes where it differs. Empty: nothing to say.
  std::string default_text;
  std::vector<std::pair<std::string, std::string>> other_defaults;  // text, "base, genvinci-sd15"

  // Help, choices and defaults as one text.
  std::string Sentence() const;
};

// The command line of an options struct, made from its Fields. Each field is a flag in both spellings (--batch_size,
// --batch-size); the structs named in kFlatGroups give flags of their own (`training.lr` is --lr); any other nested
// struct is reached through --set and --config.
class Flags {
 public:
  template <typename Options>
  void Register(CLI::App& app, const CommandText& text) {
    std::vector<SizeDefaults> defaults;
    if constexpr (requires(Options options) { SetDefaults("", options); }) {
      for (const char* model : {"small", "tiny", "base", "genvinci-sd15"}) {
        Options options;
        SetDefaults(model, options);
        defaults.push_back(DefaultsOf(model, options));
      }
    } else {
      defaults.push_back(DefaultsOf("", Options{}));
    }
    Visitor visitor{{}, *this, app, text, defaults, {}, "General"};
    Options options;
    options.Fields(visitor);
  }

  // The flags that were given, as JSON. UsageError (FLAG_VALUE).
  Json Given() const;
  const std::vector<FlagText>& texts() const { return texts_; }
  // The options that only --set and --config reach, by their dotted names.
  const std::vector<FlagText>& nested() const { return nested_; }

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
  struct SizeDefaults {
    std::string model;
    std::map<std::string, std::string> texts;  // by dotted name
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
    } else if constexpr (std::is_same_v<T, bool>) {
      return value ? "on" : "";
    } else if constexpr (std::is_same_v<T, double>) {
      return fmt::format("{}", value);
    } else if constexpr (internal::IsVector<T>::value) {
      std::vector<std::string> texts;
      for (const auto& item : value) texts.push_back(DefaultText(item));
      return JoinText(texts, ",");
    } else {
      return Json(value).dump();
    }
  }

  struct DefaultsVisitor : FieldVisitor {
    std::string prefix;
    std::map<std::string, std::string> texts;
    template <typename T, typename... Attributes>
    void operator()(const char* name, T& value, const char*, const Attributes&...) {
      if constexpr (internal::HasFields<T>) {
        if (!IsFlat(name)) return;
        const std::string outer = std::exchange(prefix, prefix + name + ".");
        value.Fields(*this);
        prefix = outer;
      } else {
        texts[prefix + name] = DefaultText(value);
      }
    }
  };

  template <typename Options>
  static SizeDefaults DefaultsOf(const std::string& model, Options options) {
    DefaultsVisitor visitor;
    options.Fields(visitor);
    return {model, std::move(visitor.texts)};
  }

  struct Visitor {
    std::vector<std::string> prefix;
    Flags& flags;
    CLI::App& app;
    const CommandText& text;
    const std::vector<SizeDefaults>& defaults;
    std::vector<std::string> choices;
    std::string group;
    bool is_nested = false;  // in a struct that gives no flags

    void Group(const char* name) { group = name; }

    template <typename T, typename... Attributes>
    void operator()(const char* name, T& value, const char* help, const Attributes&... attributes) {
      prefix.push_back(name);
      if constexpr (internal::HasFields<T>) {
        const std::string outer_group = group;
        const bool outer = std::exchange(is_nested, is_nested || !IsFlat(name));
        value.Fields(*this);
        group = outer_group;
        is_nested = outer;
      } else {
        choices.clear();
        (TakeChoices(attributes), ...);
        if (is_nested)
          flags.nested_.push_back({JoinText(prefix, "."), "", "", help, choices, "", {}});
        else
          flags.Add(*this, TypeOf<T>(), internal::IsVector<T>::value, help);
      }
      prefix.pop_back();
    }
    void TakeChoices(const Choices& attribute) { choices = attribute.values; }
    template <typename Attribute>
    void TakeChoices(const Attribute&) {}
  };

  static bool IsFlat(const std::string& group);
  static void SetDefaultTexts(const Visitor& field, const std::string& dotted, FlagText& text);
  void Add(const Visitor& field, Type type, bool list, const std::string& help);

  std::vector<std::unique_ptr<Flag>> flags_;
  std::vector<FlagText> texts_, nested_;
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
