#pragma once

#include <string>

namespace genvinci {

inline constexpr const char* kVersion = "0.1.0";

// Compiler, build type and libraries of this build in one line.
std::string BuildInfo();

}  // namespace genvinci
