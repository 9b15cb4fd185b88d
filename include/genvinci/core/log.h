#pragma once

#include <fmt/format.h>

#include <filesystem>
#include <string>

namespace genvinci {

// Logs go to stderr, as plain lines, and to a run's log.txt once SetLogFile was called, with time, level and rank.
// Results never go through here. The log itself is spdlog's; this header keeps it out of everybody's sight.
enum class LogLevel { kDebug, kInfo, kWarn, kError };

void LogAt(LogLevel level, const std::string& line);
void LogLine(const std::string& line);   // level info
void WarnLine(const std::string& line);  // "warning: ..." on stderr; shown even with --quiet

template <typename... Args>
void Debug(fmt::format_string<Args...> format, Args&&... args) {
  LogAt(LogLevel::kDebug, fmt::format(format, std::forward<Args>(args)...));
}

template <typename... Args>
void Log(fmt::format_string<Args...> format, Args&&... args) {
  LogLine(fmt::format(format, std::forward<Args>(args)...));
}

template <typename... Args>
void Warn(fmt::format_string<Args...> format, Args&&... args) {
  WarnLine(fmt::format(format, std::forward<Args>(args)...));
}

// What is less than `level` goes nowhere: "trace", "debug", "info" (the default), "warn" or "error".
void SetLogLevel(const std::string& level);
void SetQuiet(bool quiet);
bool IsQuiet();  // or a level above info
// Nothing goes to stderr, not even warnings; the line that a process ends with is printed nevertheless.
void SetSilent(bool silent);
// Log files then name the rank.
void SetLogRank(int rank);

// Lines are also appended to `path` (with no bars) until the next call; an empty path ends that. IoError FILE_WRITE.
// When the file cannot be written later, a warning says so and logging to it ends.
void SetLogFile(const std::filesystem::path& path);

namespace internal {
// For Progress: stands on the terminal's last line until the next bar or line takes its place.
void ShowBar(const std::string& text);
}  // namespace internal

}  // namespace genvinci
