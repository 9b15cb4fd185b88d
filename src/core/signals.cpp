#include "genvinci/core/signals.h"

#include <atomic>
#include <csignal>

#include "genvinci/core/error.h"

namespace genvinci {
namespace {

// A handler may touch nothing else.
std::atomic<int> stop_signal{0};
std::atomic<bool> interrupted_once{false};
static_assert(std::atomic<int>::is_always_lock_free && std::atomic<bool>::is_always_lock_free);

extern "C" void OnStopSignal(int signal) {
  if (signal == SIGINT && interrupted_once.exchange(true)) {
    // With its default action, so that the shell sees a death by SIGINT; it is delivered when this returns.
    std::signal(SIGINT, SIG_DFL);
    std::raise(SIGINT);
    return;
  }
  // The first one decides: after SIGUSR1 a batch system may send SIGTERM as well.
  int none = 0;
  stop_signal.compare_exchange_strong(none, signal);
}

}  // namespace

namespace {

constexpr int kStopSignals[] = {SIGINT, SIGTERM, SIGUSR1};

void MaskStopSignals(int how) {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : kStopSignals) sigaddset(&set, signal);
  pthread_sigmask(how, &set, nullptr);
}

}  // namespace

void HoldSignals() { MaskStopSignals(SIG_BLOCK); }

void InstallSignalHandlers() {
  struct sigaction action {};
  action.sa_handler = OnStopSignal;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  for (const int signal : kStopSignals) sigaction(signal, &action, nullptr);
  // A file size limit is then an error of write(), which names the file.
  std::signal(SIGXFSZ, SIG_IGN);
  MaskStopSignals(SIG_UNBLOCK);
}

int StopSignal() { return stop_signal.load(); }

void ClearStopSignal() {
  stop_signal = 0;
  interrupted_once = false;
}

void ThrowIfStopped(const char* saved) {
  if (const int signal = StopSignal(); signal != 0) throw Interrupted(signal, saved);
}

}  // namespace genvinci
