#pragma once

#include <memory>
#include <string>
#include <vector>

#include "genvinci/cli/subcommand.h"

namespace genvinci {

using Subcommands = std::vector<std::unique_ptr<Subcommand>>;

// What `genvinci --help` prints: the commands, a line each. `width`: columns of the terminal.
std::string RootHelp(const Subcommands& commands, size_t width);
// What `genvinci NAME --help` prints: usage, options in groups with choices and defaults, examples.
std::string CommandHelp(const Subcommand& command, size_t width);
// docs/commands.md: the same of all commands in Markdown, with the options that only --set reaches.
std::string CommandsMarkdown(const Subcommands& commands);

// Columns of the terminal that stdout goes to, within 60 and 120; 100 where it goes elsewhere.
size_t TerminalWidth();

}  // namespace genvinci
