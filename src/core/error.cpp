#include "genvinci/core/error.h"

#include <csignal>

namespace genvinci {
namespace {

ExitCode CodeOfSignal(int signal) {
  if (signal == SIGTERM) return ExitCode::kTerminated;
  return signal == SIGUSR1 ? ExitCode::kRequeue : ExitCode::kInterrupted;
}

const char* NameOfSignal(int signal) {
  if (signal == SIGTERM) return "TERMINATED";
  return signal == SIGUSR1 ? "REQUEUE" : "INTERRUPTED";
}

}  // namespace

Interrupted::Interrupted(int signal, std::string_view message)
    : Error(CodeOfSignal(signal), NameOfSignal(signal), message) {}

namespace internal {

void CheckFailed(const char* file, int line, const char* condition, const std::string& message) {
  throw InternalError("CHECK", "{}:{}: {} does not hold{}{}: please report this", file, line, condition,
                      message.empty() ? "" : ": ", message);
}

}  // namespace internal
}  // namespace genvinci
