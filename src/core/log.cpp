#include "genvinci/core/log.h"

#include <cstdio>
#include <mutex>

#include "genvinci/core/error.h"
#include "genvinci/core/files.h"

namespace genvinci {
namespace {

// The one place of the process that lines go to.
struct Sink {
  std::mutex mutex;
  bool quiet = false;
  bool silent = false;
  bool bar = false;  // a bar stands on the terminal's last line
  fs::path file;

  void ToStderr(const std::string& text) {
    if (silent) return;
    if (bar) std::fputs("\r\x1b[K", stderr);
    bar = false;
    std::fputs(text.c_str(), stderr);
    std::fflush(stderr);
  }

  void ToFile(const std::string& line) {
    if (file.empty()) return;
    try {
      AppendToFile(file, line + "\n");
    } catch (const IoError& error) {
      // Work of hours does not end for its log.
      file.clear();
      ToStderr(fmt::format("warning: the log ends here: {}\n", error.what()));
    }
  }
};

Sink& TheSink() {
  static Sink sink;
  return sink;
}

}  // namespace

void LogLine(const std::string& line) {
  Sink& sink = TheSink();
  const std::lock_guard lock(sink.mutex);
  if (!sink.quiet) sink.ToStderr(line + "\n");
  sink.ToFile(line);
}

void WarnLine(const std::string& line) {
  Sink& sink = TheSink();
  const std::lock_guard lock(sink.mutex);
  sink.ToStderr("warning: " + line + "\n");
  sink.ToFile("warning: " + line);
}

void SetQuiet(bool quiet) {
  Sink& sink = TheSink();
  const std::lock_guard lock(sink.mutex);
  sink.quiet = quiet;
}

bool IsQuiet() {
  Sink& sink = TheSink();
  const std::lock_guard lock(sink.mutex);
  return sink.quiet;
}

void SetSilent(bool silent) {
  Sink& sink = TheSink();
  const std::lock_guard lock(sink.mutex);
  sink.silent = silent;
}

void SetLogFile(const std::filesystem::path& path) {
  if (!path.empty()) AppendToFile(path, "");
  Sink& sink = TheSink();
  const std::lock_guard lock(sink.mutex);
  sink.file = path;
}

namespace internal {

void ShowBar(const std::string& text) {
  Sink& sink = TheSink();
  const std::lock_guard lock(sink.mutex);
  if (sink.quiet) return;
  sink.ToStderr("\r\x1b[K" + text);
  sink.bar = true;
}

}  // namespace internal
}  // namespace genvinci
