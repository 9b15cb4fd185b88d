#pragma once

#include <fmt/format.h>

#include <filesystem>
#include <string>

namespace genvinci {

// Logs go to stderr, and to a run's log.txt once SetLogFile was called. Results never go through here.
void LogLine(const std::string& line);
void WarnLine(const std::string& line);  // "warning: ..."; shown even with --quiet

template <typename... Args>
void Log(fmt::format_string<Args...> format, Args&&... args) {
  LogLine(fmt::format(format, std::forward<Args>(args)...));
}

template <typename... Args>
void Warn(fmt::format_string<Args...> format, Args&&... args) {
  WarnLine(fmt::format(format, std::forward<Args>(args)...));
}

void SetQuiet(bool quiet);
bool IsQuiet();
// Nothing goes to stderr, warnings neither; what a process ends with is printed nevertheless.
void SetSilent(bool silent);

// Lines are also appended to `path` (with no bars) until the next call; an empty path ends that.
void SetLogFile(const std::filesystem::path& path);

namespace internal {
// For Progress: stands on the terminal's last line until the next bar or line takes its place.
void ShowBar(const std::string& text);
}  // namespace internal

}  // namespace genvinci
