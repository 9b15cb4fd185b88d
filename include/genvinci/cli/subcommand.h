#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "genvinci/cli/flags.h"
#include "genvinci/commands/command_list.h"

namespace genvinci {

// One `genvinci NAME`: its flags, and what they, --config and --set together ask for.
class Subcommand {
 public:
  virtual ~Subcommand() = default;
  virtual const CLI::App& app() const = 0;
  virtual const Flags& flags() const = 0;
  virtual const CommandText& text() const = 0;
  // The options that were given, as JSON with only those keys; the rest keeps the command's defaults, which may depend
  // on what was given (such as --model). Flags win over --set, --set over --config. UsageError, ConfigError.
  virtual Json Given() const = 0;
};

template <typename Options>
class OptionsSubcommand : public Subcommand {
 public:
  OptionsSubcommand(CLI::App& root, CommandText text) : text_(std::move(text)) {
    app_ = root.add_subcommand(text_.name, text_.description);
    sources_.Register(*app_);
    flags_.Register<Options>(*app_, text_);
  }

  const CLI::App& app() const override { return *app_; }
  const Flags& flags() const override { return flags_; }
  const CommandText& text() const override { return text_; }

  Json Given() const override {
    Json given = sources_.Read();
    Check(given, "configuration");
    Json flags = flags_.Given();
    try {
      Check(flags, "");
    } catch (const ConfigError& error) {  // a bad value of a flag is a usage error
      throw UsageError(error.name(), "{}", error.what());
    }
    given.merge_patch(flags);
    for (const std::string& key : text_.required) {
      if (!given.contains(key) || given[key] == "")
        throw UsageError("FLAG_MISSING", "genvinci {}: --{} is required: see genvinci {} --help", text_.name, key,
                         text_.name);
    }
    return given;
  }

 private:
  static void Check(const Json& given, const std::string& source) {
    Options options;
    FromJson(given, options, source);
  }

  CommandText text_;
  CLI::App* app_;
  ConfigSources sources_;
  Flags flags_;
};

// One for each entry of commands/command_list.h.
std::vector<std::unique_ptr<Subcommand>> MakeSubcommands(CLI::App& root);

}  // namespace genvinci
