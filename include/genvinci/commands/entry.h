#pragma once

namespace genvinci {

// The one function that libgenvinci.so offers: `request` is a JSON object {"command", "options", "command_line"} with the
// options that were given. Runs the command, prints its result on stdout or its error as one line on stderr, returns the
// exit code. Nothing is thrown across this edge.
using CommandEntry = int(const char* request);
inline constexpr const char* kCommandEntryName = "genvinci_run_command";

}  // namespace genvinci
