#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <string_view>

namespace genvinci {

// What the process returns; ARCHITECTURE.md ("Errors") has the table.
enum class ExitCode : int {
  kOk = 0,
  kUsage = 2,
  kBadData = 65,
  kMissingFile = 66,
  kBug = 70,
  kRankLost = 71,
  kWouldOverwrite = 73,
  kIo = 74,
  kRequeue = 75,
  kNotFinite = 76,
  kBadConfig = 78,
  kInterrupted = 130,
  kTerminated = 143,
};

// An error that reaches the user as one line:
//   genvinci: error[NAME]: <file>: <what, which row / tensor / key, the limit>: <what to do>
// `name` is in capitals and stable (scripts match on it). Throw one of the kinds below.
class Error : public std::runtime_error {
 public:
  Error(ExitCode exit_code, std::string_view name, std::string_view message)
      : std::runtime_error(std::string(message)), exit_code_(exit_code), name_(name) {}

  ExitCode exit_code() const { return exit_code_; }
  const std::string& name() const { return name_; }
  std::string Line() const { return fmt::format("genvinci: error[{}]: {}", name_, what()); }

 private:
  ExitCode exit_code_;
  std::string name_;
};

// Each kind: Kind(NAME, "format {}", args...). The message starts with the file where there is one.
#define GENVINCI_ERROR_KIND(Kind, code)                                                    \
  class Kind : public Error {                                                              \
   public:                                                                                 \
    template <typename... Args>                                                            \
    Kind(std::string_view name, fmt::format_string<Args...> format, Args&&... args)        \
        : Error(ExitCode::code, name, fmt::format(format, std::forward<Args>(args)...)) {} \
  };

GENVINCI_ERROR_KIND(UsageError, kUsage)               // unknown flag, bad value
GENVINCI_ERROR_KIND(DataError, kBadData)              // malformed file, leak refused, no known gene
GENVINCI_ERROR_KIND(MissingFileError, kMissingFile)   // a file or folder is not there
GENVINCI_ERROR_KIND(InternalError, kBug)              // a broken invariant
GENVINCI_ERROR_KIND(RankError, kRankLost)              // another rank died, hung or failed
GENVINCI_ERROR_KIND(OverwriteError, kWouldOverwrite)  // run folder in use, output would overwrite input
GENVINCI_ERROR_KIND(IoError, kIo)                     // reading or writing failed (disk full, ...)
GENVINCI_ERROR_KIND(NotFiniteError, kNotFinite)       // NaN or Inf in training, before the update
GENVINCI_ERROR_KIND(ConfigError, kBadConfig)          // bad configuration

#undef GENVINCI_ERROR_KIND

// Work was stopped by a signal after its state was saved.
class Interrupted : public Error {
 public:
  Interrupted(int signal, std::string_view message);
};

namespace internal {
[[noreturn]] void CheckFailed(const char* file, int line, const char* condition, const std::string& message);
}  // namespace internal

// A broken invariant throws InternalError with file and line: GENVINCI_CHECK(a == b, "a is {}", a).
#define GENVINCI_CHECK(condition, ...)                                                                  \
  do {                                                                                                  \
    if (!(condition))                                                                                   \
      ::genvinci::internal::CheckFailed(__FILE__, __LINE__, #condition, ::fmt::format("" __VA_ARGS__)); \
  } while (false)

}  // namespace genvinci
