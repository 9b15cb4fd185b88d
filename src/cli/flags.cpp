#include "genvinci/cli/flags.h"

#include <algorithm>
#include <set>

namespace genvinci {
namespace {

const std::set<std::string> kFlatGroups = {"common", "training", "ranks", "sampling"};

Json ParseValue(const std::string& text) {
  // A value that is no JSON is text, so that --set model=small needs no quotes.
  if (Json::accept(text)) return ParseJson(text, "--set");
  return text;
}

void SetPath(Json& json, const std::vector<std::string>& path, Json value) {
  Json* place = &json;
  for (const std::string& key : path) {
    if (!place->is_object()) *place = Json::object();
    place = &(*place)[key];
  }
  *place = std::move(value);
}

}  // namespace

std::string BothSpellings(const std::string& name) {
  std::string dashed = name;
  std::replace(dashed.begin(), dashed.end(), '_', '-');
  return dashed == name ? "--" + name : "--" + name + ",--" + dashed;
}

bool Flags::IsFlat(const std::string& group) { return kFlatGroups.count(group) > 0; }

std::string FlagText::Sentence() const {
  std::string sentence = help;
  if (!choices.empty()) sentence += fmt::format("; one of {}", JoinText(choices, ", "));
  std::vector<std::string> parts;
  if (!default_text.empty()) parts.push_back("default: " + default_text);
  if (default_text == "on") parts.back() += fmt::format(" (off: --set {}=false)", name);
  for (const auto& [value, models] : other_defaults)
    parts.push_back(fmt::format("{}: {}", models, value.empty() ? (type.empty() ? "off" : "none") : value));
  return parts.empty() ? sentence : fmt::format("{} [{}]", sentence, JoinText(parts, "; "));
}

// The first of the sizes is `small`, whose default is the one to show.
void Flags::SetDefaultTexts(const Visitor& field, const std::string& dotted, FlagText& text) {
  const auto given = field.text.defaults.find(dotted);
  text.default_text = given != field.text.defaults.end() ? given->second : field.defaults.front().texts.at(dotted);
  for (const SizeDefaults& other : field.defaults) {
    const std::string& value = other.texts.at(dotted);
    if (value == field.defaults.front().texts.at(dotted) || dotted == "model") continue;
    auto& known = text.other_defaults;
    const auto same = std::find_if(known.begin(), known.end(), [&](const auto& entry) { return entry.first == value; });
    if (same == known.end())
      known.emplace_back(value, other.model);
    else
      same->second += ", " + other.model;
  }
}

void Flags::Add(const Visitor& field, Type type, bool list, const std::string& help) {
  auto flag = std::make_unique<Flag>(Flag{field.prefix, type, list, nullptr, {}});
  const std::string& name = flag->path.back();
  FlagText text{name, "", field.group, help, field.choices, "", {}};
  SetDefaultTexts(field, JoinText(field.prefix, "."), text);
  if (type == Type::kBool && !list) {
    flag->option = field.app.add_flag(BothSpellings(name), flag->on, help);
  } else {
    const bool positional = name == field.text.positional;
    flag->option = field.app.add_option(BothSpellings(name) + (positional ? "," + name : ""), flag->texts, help);
    text.type = type == Type::kInteger ? "INT" : type == Type::kNumber ? "NUMBER" : "TEXT";
    if (list) {
      text.type += "...";
      flag->option->expected(0, 1 << 20);
    } else {
      flag->option->expected(1)->multi_option_policy(CLI::MultiOptionPolicy::Throw);
    }
  }
  texts_.push_back(std::move(text));
  flags_.push_back(std::move(flag));
}

Json Flags::Given() const {
  Json given = Json::object();
  for (const auto& flag : flags_) {
    if (flag->option->count() == 0) continue;
    const auto convert = [&](const std::string& text) -> Json {
      int64_t integer = 0;
      double number = 0;
      if (flag->type == Type::kText) return text;
      if (flag->type == Type::kInteger && ParseInteger(text, integer)) return integer;
      if (flag->type == Type::kNumber && ParseNumber(text, number)) return number;
      throw UsageError("FLAG_VALUE", "--{}: '{}' is not {}: give one", flag->path.back(), text,
                       flag->type == Type::kInteger ? "a whole number" : "a number");
    };
    if (flag->type == Type::kBool) {
      SetPath(given, flag->path, flag->on);
    } else if (flag->list) {
      Json items = Json::array();
      for (const std::string& text : flag->texts) {
        if (text.empty()) continue;  // what CLI11 gives for a flag with no value
        for (std::string_view part : SplitText(text, ',')) items.push_back(convert(std::string(part)));
      }
      SetPath(given, flag->path, std::move(items));
    } else {
      SetPath(given, flag->path, convert(flag->texts.back()));
    }
  }
  return given;
}

void ConfigSources::Register(CLI::App& app) {
  app.add_option("--config", config_, "JSON file with options (a run.json is one)")->type_name("FILE");
  app.add_option("--set", sets_, "one option by its full name, such as training.lr=1e-4; may be repeated")
      ->type_name("KEY=VALUE")
      ->expected(1)
      ->take_all();
}

Json ConfigSources::Read() const {
  Json json = Json::object();
  if (!config_.empty()) {
    json = ReadJson(config_);
    if (json.is_object() && json.contains("command_line") && json.contains("options")) {
      Json options = json["options"];
      json = std::move(options);
    }
    if (!json.is_object()) throw ConfigError("CONFIG_TYPE", "{}: expected an object", config_);
  }
  for (const std::string& set : sets_) {
    const size_t equals = set.find('=');
    if (equals == std::string::npos || equals == 0)
      throw UsageError("FLAG_VALUE", "--set: '{}' is not KEY=VALUE: write such as training.lr=1e-4", set);
    std::vector<std::string> path;
    for (std::string_view part : SplitText(std::string_view(set).substr(0, equals), '.')) path.emplace_back(part);
    SetPath(json, path, ParseValue(set.substr(equals + 1)));
  }
  return json;
}

}  // namespace genvinci
