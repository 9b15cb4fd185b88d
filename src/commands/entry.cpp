#include "genvinci/commands/entry.h"

#include <cstdio>
#include <map>
#include <set>

#include "genvinci/commands/demo.h"
#include "genvinci/commands/forward.h"
#include "genvinci/commands/inspect.h"
#include "genvinci/commands/resolve.h"
#include "genvinci/core/log.h"
#include "genvinci/core/run_folder.h"
#include "genvinci/core/signals.h"
#include "genvinci/generation/generate.h"
#include "genvinci/launch/rank_environment.h"
#include "genvinci/studies/evaluate.h"
#include "genvinci/technologies/prepare.h"
#include "genvinci/tensor/device.h"
#include "genvinci/training/tasks/tasks.h"
#include "genvinci/weights/convert.h"

namespace genvinci {
namespace {

template <typename Options>
Options Resolve(const Json& given) {
  Options options;
  FromJson(given, options, "");
  return options;
}

// Sets up logs and compute from the options that every command has, then runs it.
template <typename Options>
Json Start(Json (*run)(const Options&), Options options) {
  SetQuiet(options.common.quiet);
  SetUpCompute(options.common.threads);
  return run(options);
}

using Run = Json (*)(const Json& given);

// The visible registry of commands.
const std::map<std::string, Run> kCommands = {
    {"prepare", [](const Json& given) { return Start(Prepare, Resolve<PrepareOptions>(given)); }},
    {"pretrain", [](const Json& given) { return Start(Pretrain, ResolvePretrain(given)); }},
    {"autoencoder", [](const Json& given) { return Start(TrainAutoencoder, ResolveAutoencoder(given)); }},
    {"align", [](const Json& given) { return Start(TrainAligner, ResolveAlign(given)); }},
    {"finetune", [](const Json& given) { return Start(Finetune, ResolveFinetune(given)); }},
    {"generate", [](const Json& given) { return Start(Generate, ResolveGenerate(given)); }},
    {"evaluate", [](const Json& given) { return Start(Evaluate, Resolve<EvaluateOptions>(given)); }},
    {"convert", [](const Json& given) { return Start(Convert, Resolve<ConvertOptions>(given)); }},
    {"forward", [](const Json& given) { return Start(Forward, Resolve<ForwardOptions>(given)); }},
    {"inspect", [](const Json& given) { return Start(Inspect, Resolve<InspectOptions>(given)); }},
    {"demo", [](const Json& given) { return Start(Demo, Resolve<DemoOptions>(given)); }},
};

bool WantsJson(const Json& options) { return options.contains("common") && options["common"].value("json", false); }

// One "key: value" line an entry; nested values as JSON.
void PrintResult(const Json& result) {
  for (const auto& [key, value] : result.items()) {
    const std::string text = value.is_string() ? value.get<std::string>() : value.dump();
    std::printf("%s: %s\n", key.c_str(), text.c_str());
  }
}

// Started once a rank, a command that knows no ranks would do all of its work as often, in one place.
void RequireOneProcess(const std::string& command) {
  static const std::set<std::string> kOnRanks = {"pretrain", "autoencoder", "align",
                                                 "finetune", "generate",    "evaluate"};
  const int world = ReadRankEnvironment().world;
  if (world == 1 || kOnRanks.contains(command)) return;
  throw ConfigError("ONE_PROCESS",
                    "{}: runs in one process, not in {} ranks: start it without torchrun, or by srun -n 1", command,
                    world);
}

int RunCommand(const Json& request) {
  const std::string command = request.at("command");
  const auto found = kCommands.find(command);
  GENVINCI_CHECK(found != kCommands.end(), "no command {}", command);
  RequireOneProcess(command);
  SetCommandLine(request.at("command_line"));
  InstallSignalHandlers();
  const Json& given = request.at("options");
  const Json result = found->second(given);
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
