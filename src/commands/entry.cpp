#include "genvinci/commands/entry.h"

#include <cstdio>
#include <map>

#include "genvinci/commands/command_list.h"
#include "genvinci/commands/demo.h"
#include "genvinci/commands/forward.h"
#include "genvinci/commands/inspect.h"
#include "genvinci/commands/resolve.h"
#include "genvinci/core/log.h"
#include "genvinci/core/run_folder.h"
#include "genvinci/core/signals.h"
#include "genvinci/generation/generate.h"
#include "genvinci/launch/rank_environment.h"
#include "genvinci/studies/evaluation/evaluate.h"
#include "genvinci/technologies/prepare.h"
#include "genvinci/tensor/device.h"
#include "genvinci/training/tasks/tasks.h"
#include "genvinci/weights/convert.h"

namespace genvinci {
namespace {

// What was given over the command's defaults, which of some commands depend on it.
template <typename Options>
Options Resolve(const Json& given) {
  Options options;
  FromJson(given, options, "");
  return options;
}
template <>
PretrainOptions Resolve(const Json& given) {
  return ResolvePretrain(given);
}
template <>
AutoencoderOptions Resolve(const Json& given) {
  return ResolveAutoencoder(given);
}
template <>
AlignOptions Resolve(const Json& given) {
  return ResolveAlign(given);
}
template <>
FinetuneOptions Resolve(const Json& given) {
  return ResolveFinetune(given);
}
template <>
GenerateOptions Resolve(const Json& given) {
  return ResolveGenerate(given);
}

// The function of each command of commands/command_list.h, by its options.
Json Execute(const PrepareOptions& options) { return Prepare(options); }
Json Execute(const PretrainOptions& options) { return Pretrain(options); }
Json Execute(const AutoencoderOptions& options) { return TrainAutoencoder(options); }
Json Execute(const AlignOptions& options) { return TrainAligner(options); }
Json Execute(const FinetuneOptions& options) { return Finetune(options); }
Json Execute(const GenerateOptions& options) { return Generate(options); }
Json Execute(const EvaluateOptions& options) { return Evaluate(options); }
Json Execute(const ConvertOptions& options) { return Convert(options); }
Json Execute(const ForwardOptions& options) { return Forward(options); }
Json Execute(const InspectOptions& options) { return Inspect(options); }
Json Execute(const DemoOptions& options) { return Demo(options); }

// Sets up logs and compute from the options that every command has, then runs it.
template <typename Options>
Json Start(const Json& given) {
  const Options options = Resolve<Options>(given);
  SetLogLevel(options.common.log_level);
  SetQuiet(options.common.quiet);
  SetUpCompute(options.common.threads);
  Debug("options: {}", ToJson(options).dump());
  return Execute(options);
}

struct Command {
  Json (*start)(const Json& given);
  bool runs_on_ranks;
};

struct CommandTable {
  std::map<std::string, genvinci::Command> all = {};
  template <typename Options>
  void Command(const CommandText& text) {
    all[text.name] = {Start<Options>, text.runs_on_ranks};
  }
};

bool WantsJson(const Json& options) { return options.contains("common") && options["common"].value("json", false); }

// Options by their full names, as --set takes them.
void PrintOptions(const std::string& name, const Json& value) {
  if (!value.is_object()) {
    std::printf("%s: %s\n", name.c_str(), value.dump().c_str());
    return;
  }
  for (const auto& [key, inner] : value.items()) PrintOptions(name.empty() ? key : name + "." + key, inner);
}

constexpr size_t kLongValue = 400;

// One "key: value" line an entry; nested values as JSON, the start of those that would hide the rest; options in full.
void PrintResult(const Json& result) {
  for (const auto& [key, value] : result.items()) {
    if (key == "options") {
      PrintOptions("", value);
      continue;
    }
    std::string text = value.is_string() ? value.get<std::string>() : value.dump();
    if (!value.is_string() && text.size() > kLongValue) text = text.substr(0, kLongValue) + " ... (--json shows all)";
    std::printf("%s: %s\n", key.c_str(), text.c_str());
  }
}

// Started once a rank, a command that knows no ranks would do all of its work as often, in one place.
void RequireOneProcess(const std::string& name, const Command& command) {
  const int world = ReadRankEnvironment().world;
  if (world == 1 || command.runs_on_ranks) return;
  throw ConfigError("ONE_PROCESS",
                    "{}: runs in one process, not in {} ranks: start it without torchrun, or by srun -n 1", name,
                    world);
}

int RunCommand(const Json& request) {
  const std::string name = request.at("command");
  CommandTable commands;
  ForEachCommand(commands);
  const auto found = commands.all.find(name);
  GENVINCI_CHECK(found != commands.all.end(), "no command {}", name);
  RequireOneProcess(name, found->second);
  SetCommandLine(request.at("command_line"));
  InstallSignalHandlers();
  const Json& given = request.at("options");
  const Json result = found->second.start(given);
  if (!ReadRankEnvironment().is_main()) return static_cast<int>(ExitCode::kOk);
  if (WantsJson(given)) {
    std::printf("%s\n", result.dump().c_str());
  } else {
    PrintResult(result);
  }
  return static_cast<int>(ExitCode::kOk);
}

int Report(const Error& error) {
  std::fprintf(stderr, "%s\n", error.Line().c_str());
  return static_cast<int>(error.exit_code());
}

}  // namespace
}  // namespace genvinci

// The library's outer edge, as main is the program's: every exception ends here.
extern "C" int genvinci_run_command(const char* request) {
  using namespace genvinci;
  try {
    return RunCommand(ParseJson(request, "request"));
  } catch (const Error& error) {
    return Report(error);
  } catch (const c10::OutOfMemoryError& error) {
    return Report(DataError("MEMORY", "{}: use a smaller batch or image", error.what_without_backtrace()));
  } catch (const c10::Error& error) {
    return Report(InternalError("BUG", "{}: please report this", error.what_without_backtrace()));
  } catch (const std::bad_alloc&) {
    return Report(DataError("MEMORY", "out of memory: use a smaller batch or image"));
  } catch (const std::exception& error) {
    return Report(InternalError("BUG", "{}: please report this", error.what()));
  }
}
