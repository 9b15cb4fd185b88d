#pragma once

namespace genvinci {

// The whole program: parses, opens libgenvinci.so when a command runs, returns the exit code.
int RunCommandLine(int argc, const char* const* argv);

}  // namespace genvinci
