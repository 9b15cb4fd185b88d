#include "genvinci/cli/help.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>

#include "genvinci/core/text.h"

namespace genvinci {
namespace {

constexpr size_t kColumn = 30;  // where help texts start

// As they are listed; a group that is not among them comes last.
constexpr const char* kGroups[] = {"What to do",     "Input",   "Images",   "Expression", "Split",
                                   "Virtual tissue", "Model",   "Training", "Sampling",   "Scores",
                                   "Checkpoints",    "Devices", "Output",   "General"};

constexpr const char* kIntroduction =
    "genvinci draws a cell or a piece of tissue from its gene expression.\n"
    "For research use only, not for diagnosis. Start with: genvinci demo";

const std::vector<FlagText>& SharedFlags() {
  static const std::vector<FlagText> flags = {
      {"config", "FILE", "General", "JSON file with options; a run.json is one", {}, "", {}},
      {"set",
       "KEY=VALUE",
       "General",
       "one option by its full name, such as training.lr=1e-4; may be repeated",
       {},
       "",
       {}},
      {"help", "", "General", "print this text", {}, "", {}}};
  return flags;
}

std::vector<FlagText> AllFlags(const Subcommand& command) {
  std::vector<FlagText> flags = command.flags().texts();
  flags.insert(flags.end(), SharedFlags().begin(), SharedFlags().end());
  return flags;
}

std::vector<std::string> GroupsOf(const std::vector<FlagText>& flags) {
  std::vector<std::string> groups;
  const auto add = [&](const std::string& group) {
    const bool is_used = std::any_of(flags.begin(), flags.end(), [&](const FlagText& f) { return f.group == group; });
    if (is_used && std::find(groups.begin(), groups.end(), group) == groups.end()) groups.push_back(group);
  };
  for (const char* group : kGroups) add(group);
  for (const FlagText& flag : flags) add(flag.group);
  return groups;
}

std::string Flag(const FlagText& flag) { return "--" + flag.name + (flag.type.empty() ? "" : " " + flag.type); }

// Words in lines of at most `width`, each but the first indented.
std::string Wrapped(const std::string& text, size_t width, size_t indent) {
  std::string out;
  size_t column = 0;
  const size_t room = std::max<size_t>(20, width - std::min(width, indent));
  for (const std::string_view word : SplitText(text, ' ')) {
    if (column > 0 && column + 1 + word.size() > room) {
      out += "\n" + std::string(indent, ' ');
      column = 0;
    } else if (column > 0) {
      out += " ";
      ++column;
    }
    out += word;
    column += word.size();
  }
  return out;
}

std::string Line(const std::string& left, const std::string& text, size_t width) {
  std::string line = "  " + left;
  if (line.size() + 2 > kColumn)
    line += "\n" + std::string(kColumn, ' ');
  else
    line += std::string(kColumn - line.size(), ' ');
  return line + Wrapped(text, width, kColumn) + "\n";
}

std::string Usage(const Subcommand& command) {
  const CommandText& text = command.text();
  std::string usage = "genvinci " + text.name;
  for (const std::string& key : text.required) {
    const std::string value = key == "format" || key == "component" ? "NAME" : "PATH";
    usage += key == text.positional ? " " + value : fmt::format(" --{} {}", key, value);
  }
  return usage + " [options]";
}

// A long command line goes on, indented, behind a backslash.
std::string Example(const std::string& line, size_t width) {
  std::string out, current = "  ";
  for (const std::string_view word : SplitText(line, ' ')) {
    if (current.size() + word.size() + 3 > width && current.size() > 2) {
      out += current + "\\\n";
      current = "      ";
    }
    current += std::string(word) + " ";
  }
  current.pop_back();
  return out + current + "\n";
}

// As a cell of a Markdown table shows it.
std::string Escaped(const std::string& text) {
  std::string out;
  for (const char c : text) out += c == '|' ? "\\|" : c == '<' ? "&lt;" : std::string(1, c);
  return out;
}

std::string MarkdownOf(const Subcommand& command) {
  std::string out =
      fmt::format("## {}\n{}.\n\n```sh\n{}\n```\n", command.text().name, command.text().description, Usage(command));
  const std::vector<FlagText> flags = AllFlags(command);
  for (const std::string& group : GroupsOf(flags)) {
    if (group == "General") continue;
    out += fmt::format("\n| {} | |\n|---|---|\n", group);
    for (const FlagText& flag : flags) {
      if (flag.group == group) out += fmt::format("| `{}` | {} |\n", Flag(flag), Escaped(flag.Sentence()));
    }
  }
  if (!command.flags().nested().empty()) {
    out += "\n| By `--set NAME=VALUE` | |\n|---|---|\n";
    for (const FlagText& option : command.flags().nested())
      out += fmt::format("| `{}` | {} |\n", option.name, Escaped(option.Sentence()));
  }
  out += "\nExamples:\n\n```sh\n";
  for (const std::string& example : command.text().examples) out += example + "\n";
  return out + "```\n";
}

}  // namespace

std::string RootHelp(const Subcommands& commands, size_t width) {
  std::string out = std::string(kIntroduction) + "\n\nUsage: genvinci COMMAND [options]\n\nCommands\n";
  for (const auto& command : commands) out += Line(command->text().name, command->text().description, width);
  out += "\n";
  out += Line("genvinci COMMAND --help", "the options of a command, and examples", width);
  out += Line("genvinci --version", "version and build", width);
  return out;
}

std::string CommandHelp(const Subcommand& command, size_t width) {
  std::string out = Wrapped(command.text().description, width, 0) + "\n\nUsage: " + Usage(command) + "\n";
  const std::vector<FlagText> flags = AllFlags(command);
  for (const std::string& group : GroupsOf(flags)) {
    out += "\n" + group + "\n";
    for (const FlagText& flag : flags) {
      if (flag.group == group) out += Line(Flag(flag), flag.Sentence(), width);
    }
  }
  if (!command.flags().nested().empty())
    out += "\n" +
           Wrapped(
               "Further options, such as the sizes of the networks, are reached by --set; docs/commands.md "
               "lists them. All flags may be spelt with - in place of _.",
               width, 0) +
           "\n";
  out += "\nExamples\n";
  for (const std::string& example : command.text().examples) out += Example(example, width);
  return out;
}

std::string CommandsMarkdown(const Subcommands& commands) {
  std::string out =
      "# Commands\n*Made from the program by `scripts/make_docs.py`; do not edit.*\n\nDefaults are those of `--model "
      "small`; "
      "where another size has a different one, it is named. Flags may be spelt with `_` or `-`. Every command also "
      "takes "
      "`--config FILE`, a JSON file with options (a run's `run.json` is one), `--set NAME=VALUE`, which sets one "
      "option by "
      "its full name, and `--seed`. Flags win over `--set`, and `--set` over `--config`.\n\n";
  for (const auto& command : commands)
    out += fmt::format("- [{0}](#{0}): {1}\n", command->text().name, command->text().description);
  for (const auto& command : commands) out += "\n" + MarkdownOf(*command);
  return out;
}

size_t TerminalWidth() {
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 100;
  return std::clamp<size_t>(size.ws_col, 60, 120);
}

}  // namespace genvinci
