#include "genvinci/core/log.h"

#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>

#include <algorithm>
#include <cstdio>
#include <mutex>

#include "genvinci/core/error.h"
#include "genvinci/core/files.h"

namespace genvinci {
namespace {

// Plain lines; a bar gives way to them.
class TerminalSink : public spdlog::sinks::base_sink<std::mutex> {
 public:
  void SetSilent(bool silent) {
    const std::lock_guard lock(mutex_);
    silent_ = silent;
  }
  void ShowBar(const std::string& text) {
    const std::lock_guard lock(mutex_);
    Print("\r\x1b[K" + text);
    bar_ = true;
  }

 private:
  void sink_it_(const spdlog::details::log_msg& message) override {
    const char* prefix = message.level == spdlog::level::warn    ? "warning: "
                         : message.level == spdlog::level::err   ? "error: "
                         : message.level == spdlog::level::debug ? "debug: "
                         : message.level == spdlog::level::trace ? "trace: "
                                                                 : "";
    Print(fmt::format("{}{}\n", prefix, std::string_view(message.payload.data(), message.payload.size())));
  }
  void flush_() override {}

  void Print(const std::string& text) {
    if (silent_) return;
    if (bar_) std::fputs("\r\x1b[K", stderr);
    bar_ = false;
    std::fputs(text.c_str(), stderr);
    std::fflush(stderr);
  }

  bool silent_ = false;
  bool bar_ = false;  // one stands on the terminal's last line
};

// spdlog's own file sink does not notice a full disk; this one throws, which the logger hands to its error handler.
class FileSink : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit FileSink(fs::path path) : path_(std::move(path)) { AppendToFile(path_, ""); }

 private:
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t line;
    formatter_->format(message, line);
    AppendToFile(path_, std::string(line.data(), line.size()));
  }
  void flush_() override {}

  fs::path path_;
};

// The one log of the process.
class ProcessLog {
 public:
  ProcessLog() : terminal_(std::make_shared<TerminalSink>()), logger_("genvinci", terminal_) {
    logger_.set_level(spdlog::level::info);
  }

  void Write(spdlog::level::level_enum level, const std::string& line) {
    const std::lock_guard lock(mutex_);
    logger_.log(level, spdlog::string_view_t(line));
    if (failure_.empty()) return;
    // Work of hours does not end for its log.
    logger_.sinks() = {terminal_};
    // Whatever is logged, this is said.
    logger_.log(std::max(logger_.level(), spdlog::level::warn), "the log ends here: {}", failure_);
    failure_.clear();
  }

  void SetLevel(const std::string& level) {
    const std::lock_guard lock(mutex_);
    logger_.set_level(spdlog::level::from_str(level));
  }
  void SetQuiet(bool quiet) {
    const std::lock_guard lock(mutex_);
    terminal_->set_level(quiet ? spdlog::level::warn : spdlog::level::trace);
  }
  bool is_quiet() const { return terminal_->level() == spdlog::level::warn || logger_.level() >= spdlog::level::warn; }
  void SetRank(int rank) {
    const std::lock_guard lock(mutex_);
    rank_ = fmt::format(" rank {}", rank);
  }
  void SetFile(const fs::path& path) {
    const std::lock_guard lock(mutex_);
    logger_.sinks() = {terminal_};
    if (path.empty()) return;
    auto file = std::make_shared<FileSink>(path);
    file->set_formatter(std::make_unique<spdlog::pattern_formatter>("%Y-%m-%d %H:%M:%S.%e %l" + rank_ + ": %v"));
    logger_.sinks().push_back(file);
    logger_.set_error_handler([this](const std::string& failure) { failure_ = failure; });
  }
  TerminalSink& terminal() { return *terminal_; }

 private:
  std::mutex mutex_;
  std::shared_ptr<TerminalSink> terminal_;
  spdlog::logger logger_;
  std::string rank_;     // " rank 1" in the lines of files
  std::string failure_;  // of the file, in this line
};

ProcessLog& TheLog() {
  static ProcessLog log;
  return log;
}

}  // namespace

void LogAt(LogLevel level, const std::string& line) {
  static constexpr spdlog::level::level_enum kLevels[] = {spdlog::level::debug, spdlog::level::info,
                                                          spdlog::level::warn, spdlog::level::err};
  TheLog().Write(kLevels[static_cast<size_t>(level)], line);
}

void LogLine(const std::string& line) { LogAt(LogLevel::kInfo, line); }
void WarnLine(const std::string& line) { LogAt(LogLevel::kWarn, line); }

void SetLogLevel(const std::string& level) { TheLog().SetLevel(level); }
void SetQuiet(bool quiet) { TheLog().SetQuiet(quiet); }
bool IsQuiet() { return TheLog().is_quiet(); }
void SetSilent(bool silent) { TheLog().terminal().SetSilent(silent); }
void SetLogRank(int rank) { TheLog().SetRank(rank); }
void SetLogFile(const std::filesystem::path& path) { TheLog().SetFile(path); }

namespace internal {

void ShowBar(const std::string& text) {
  if (!IsQuiet()) TheLog().terminal().ShowBar(text);
}

}  // namespace internal
}  // namespace genvinci
