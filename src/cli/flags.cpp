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

void Flags::Add(CLI::App& app, std::vector<std::string> path, Type type, bool list, const std::string& help,
                const std::string& default_text, bool positional) {
  auto flag = std::make_unique<Flag>(Flag{std::move(path), type, list, nullptr, {}});
  const std::string& name = flag->path.back();
  if (type == Type::kBool && !list) {
    flag->option = app.add_flag(BothSpellings(name), flag->on, help);
  } else {
    flag->option = app.add_option(BothSpellings(name) + (positional ? "," + name : ""), flag->texts, help);
    const std::string kind = type == Type::kInteger ? "INT" : type == Type::kNumber ? "NUMBER" : "TEXT";
    if (list) {
      // No default_str: CLI11 would take it for the values of a flag that was given none, which says "none of them".
      flag->option->expected(0, 1 << 20)
          ->type_name(fmt::format("{},...{}{}", kind, default_text.empty() ? "" : "=", default_text));
    } else {
      flag->option->expected(1)->type_name(kind)->multi_option_policy(CLI::MultiOptionPolicy::Throw);
      if (!default_text.empty()) flag->option->default_str(default_text);
    }
  }
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
