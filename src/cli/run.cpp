#include "genvinci/cli/run.h"

#include <dlfcn.h>

#include <algorithm>
#include <cstdio>
#include <iostream>
#include <optional>

#include "genvinci/cli/help.h"
#include "genvinci/cli/subcommand.h"
#include "genvinci/commands/entry.h"
#include "genvinci/core/files.h"
#include "genvinci/core/log.h"
#include "genvinci/core/signals.h"
#include "genvinci/core/version.h"
#include "genvinci/launch/local_ranks.h"
#include "genvinci/launch/rank_environment.h"

namespace genvinci {
namespace {

std::string Joined(int argc, const char* const* argv) {
  std::vector<std::string> words;
  for (int i = 0; i < argc; ++i) {
    const std::string word = argv[i];
    const bool plain = !word.empty() && word.find_first_of(" \t\n'\"\\$&|;<>()*?[]#~`!{}") == std::string::npos;
    words.push_back(plain ? word : "'" + word + "'");
  }
  return JoinText(words, " ");
}

// Beside the build's bin/ in lib/, or where `cmake --install` puts it.
fs::path FindLibrary() {
  const fs::path bin = fs::read_symlink("/proc/self/exe").parent_path();
  for (const char* place : {"../lib/genvinci/libgenvinci.so", "../lib/libgenvinci.so"}) {
    if (fs::exists(bin / place)) return fs::canonical(bin / place);
  }
  throw MissingFileError("LIBRARY_MISSING", "libgenvinci.so is not beside {}: build or install again", bin.string());
}

// LibTorch loads here and not at the program's start, so that --help takes milliseconds.
int RunInLibrary(const Json& request) {
  HoldSignals();
  const fs::path path = FindLibrary();
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) throw IoError("LIBRARY_LOAD", "{}: {}: install again", path.string(), dlerror());
  const auto entry = reinterpret_cast<CommandEntry*>(dlsym(library, kCommandEntryName));
  if (!entry) throw IoError("LIBRARY_LOAD", "{}: {}: install again", path.string(), dlerror());
  return entry(request.dump().c_str());
}

[[noreturn]] void ThrowUsage(const CLI::App& root, const CLI::ParseError& error) {
  std::vector<std::string> known;
  const CLI::App* app = &root;
  for (const CLI::App* sub : root.get_subcommands()) app = sub;
  for (const CLI::Option* option : app->get_options())
    for (const std::string& name : option->get_lnames()) known.push_back("--" + name);
  if (app == &root)
    for (const CLI::App* sub : root.get_subcommands({})) known.push_back(sub->get_name());
  const std::string name = app == &root ? "genvinci" : "genvinci " + app->get_name();
  std::string word = error.what();
  if (dynamic_cast<const CLI::ExtrasError*>(&error)) {
    const std::vector<std::string> extra = app->remaining(/*recurse=*/true);
    word = extra.empty() ? word : extra.front();
    throw UsageError("FLAG_UNKNOWN", "{}: '{}' is not known{}", name, word,
                     DidYouMean(SplitText(word, '=').front(), known));
  }
  throw UsageError("USAGE", "{}: {}", name, word);
}

// With --devices this process starts the ranks, each of which comes here again as one of them.
std::optional<LocalLaunch> LaunchFor(const Json& given, int argc, const char* const* argv) {
  if (!given.contains("ranks") || ReadRankEnvironment().launcher != Launcher::kNone) return std::nullopt;
  RankOptions options;
  FromJson(given["ranks"], options, "ranks");
  const std::vector<int> devices = ParseDevices(options.devices);
  if (devices.empty()) return std::nullopt;
  LocalLaunch launch;
  launch.program.push_back(fs::read_symlink("/proc/self/exe").string());
  launch.program.insert(launch.program.end(), argv + 1, argv + argc);
  launch.ranks = static_cast<int>(devices.size());
  launch.max_restarts = options.max_restarts;
  return launch;
}

// Of the command that was named, else of all.
int PrintHelp(const Subcommands& commands) {
  const auto named = std::find_if(commands.begin(), commands.end(), [](const auto& c) { return c->app().parsed(); });
  const std::string help =
      named == commands.end() ? RootHelp(commands, TerminalWidth()) : CommandHelp(**named, TerminalWidth());
  std::fputs(help.c_str(), stdout);
  return static_cast<int>(ExitCode::kOk);
}

int Dispatch(int argc, const char* const* argv) {
  CLI::App root{"", "genvinci"};
  root.set_version_flag("--version", [] { return fmt::format("genvinci {}\n{}", kVersion, BuildInfo()); });
  bool markdown = false;  // for scripts/make_docs.py
  root.add_flag("--help_markdown", markdown)->group("");
  const auto subcommands = MakeSubcommands(root);
  try {
    if (argc < 2) throw CLI::CallForHelp();
    root.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    return PrintHelp(subcommands);
  } catch (const CLI::Success& version) {  // comes as an exception too
    return root.exit(version);
  } catch (const CLI::ParseError& error) {
    ThrowUsage(root, error);
  }
  if (markdown) {
    std::fputs(CommandsMarkdown(subcommands).c_str(), stdout);
    return static_cast<int>(ExitCode::kOk);
  }
  for (const auto& subcommand : subcommands) {
    if (!subcommand->app().parsed()) continue;
    const Json given = subcommand->Given();
    if (const auto launch = LaunchFor(given, argc, argv)) return RunLocalRanks(*launch);
    return RunInLibrary(
        {{"command", subcommand->app().get_name()}, {"options", given}, {"command_line", Joined(argc, argv)}});
  }
  throw UsageError("USAGE", "genvinci: no command given: see genvinci --help");
}

}  // namespace

int RunCommandLine(int argc, const char* const* argv) {
  try {
    return Dispatch(argc, argv);
  } catch (const Error& error) {
    std::fprintf(stderr, "%s\n", error.Line().c_str());
    return static_cast<int>(error.exit_code());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "genvinci: error[BUG]: %s: please report this\n", error.what());
    return static_cast<int>(ExitCode::kBug);
  }
}

}  // namespace genvinci
