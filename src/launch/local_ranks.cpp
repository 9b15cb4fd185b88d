#include "genvinci/launch/local_ranks.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <optional>
#include <system_error>

#include "genvinci/core/error.h"
#include "genvinci/core/log.h"
#include "genvinci/core/run_folder.h"
#include "genvinci/launch/rank_status.h"

namespace genvinci {
namespace {

using Clock = std::chrono::steady_clock;
constexpr auto kGrace = std::chrono::seconds(2), kGraceWhenAsked = std::chrono::seconds(20);
constexpr int kStopSignals[] = {SIGINT, SIGTERM, SIGUSR1};

[[noreturn]] void Fail(const char* what) {
  throw IoError("RANK_START", "{} failed: {} (errno {})", what, std::generic_category().message(errno), errno);
}

// A socket on a free port of the loopback device, listening.
class ListeningSocket {
 public:
  ListeningSocket() : descriptor_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    if (descriptor_ < 0 || ::bind(descriptor_, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
        ::listen(descriptor_, 1024) != 0 ||
        ::getsockname(descriptor_, reinterpret_cast<sockaddr*>(&address), &size) != 0)
      Fail("opening a socket for the ranks");
    port_ = ntohs(address.sin_port);
  }
  ~ListeningSocket() { ::close(descriptor_); }
  ListeningSocket(const ListeningSocket&) = delete;
  ListeningSocket& operator=(const ListeningSocket&) = delete;

  int descriptor() const { return descriptor_; }
  uint16_t port() const { return port_; }

 private:
  int descriptor_;
  uint16_t port_ = 0;
};

struct Process {
  pid_t pid = 0;
  std::optional<int> status = {};  // as waitpid gives it
};

// What one start of all ranks came to.
struct Outcome {
  int exit_code = 0;
  std::string line;  // the rank that was lost; empty: nothing to say
  bool may_go_on = false;
};

class RankProcesses {
 public:
  RankProcesses(const LocalLaunch& launch, std::string run, int restart)
      : launch_(launch), run_(std::move(run)), status_(RankStatus::Create(launch.ranks)), restart_(restart) {
    const ListeningSocket socket;
    for (int rank = 0; rank < launch.ranks; ++rank) ranks_.push_back({Start(rank, socket)});
  }

  // Until none is left.
  Outcome Wait(const sigset_t& signals) {
    std::optional<int> first;  // to fail
    Clock::time_point killing_at{};
    while (Reap(first)) {
      if (first && killing_at == Clock::time_point{}) killing_at = Clock::now() + (asked_ ? kGraceWhenAsked : kGrace);
      if (first && Clock::now() >= killing_at) KillRest();
      const timespec moment{0, 100'000'000};
      const int signal = ::sigtimedwait(&signals, nullptr, &moment);
      if (std::find(std::begin(kStopSignals), std::end(kStopSignals), signal) != std::end(kStopSignals)) Stop(signal);
      if (signal == SIGTSTP) Suspend();
    }
    return first ? Judge(*first) : Outcome{};
  }

  std::string Run() const { return status_.Run(); }

 private:
  pid_t Start(int rank, const ListeningSocket& socket) {
    std::vector<std::string> variables = {
        fmt::format("RANK={}", rank),
        fmt::format("LOCAL_RANK={}", rank),
        fmt::format("WORLD_SIZE={}", launch_.ranks),
        fmt::format("LOCAL_WORLD_SIZE={}", launch_.ranks),
        "MASTER_ADDR=127.0.0.1",
        fmt::format("MASTER_PORT={}", socket.port()),
        fmt::format("TORCHELASTIC_RESTART_COUNT={}", restart_),
        fmt::format("GENVINCI_STATUS_FD={}", status_.descriptor()),
    };
    if (!run_.empty()) variables.push_back("GENVINCI_RUN=" + run_);
    if (rank == 0) variables.push_back(fmt::format("GENVINCI_LISTEN_FD={}", socket.descriptor()));
    std::vector<std::string> program = launch_.program;
    std::vector<char*> arguments, environment;
    for (std::string& argument : program) arguments.push_back(argument.data());
    for (std::string& variable : variables) environment.push_back(variable.data());
    for (char** variable = environ; *variable; ++variable) environment.push_back(*variable);
    arguments.push_back(nullptr);
    environment.push_back(nullptr);
    const pid_t launcher = ::getpid();
    const pid_t pid = ::fork();
    if (pid < 0) Fail("starting a rank");
    if (pid > 0) return pid;
    // From here to execve only what may follow a fork. A group of its own: Ctrl-C comes once, passed on by the
    // launcher.
    ::setpgid(0, 0);
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != launcher) ::_exit(1);
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    if (rank == 0) ::fcntl(socket.descriptor(), F_SETFD, 0);
    ::execve(arguments.front(), arguments.data(), environment.data());
    ::_exit(127);
  }

  // Takes note of those that have ended; false when none is left. `first`: the first to end otherwise than well.
  bool Reap(std::optional<int>& first) {
    bool any = false;
    for (size_t i = 0; i < ranks_.size(); ++i) {
      Process& process = ranks_[i];
      int status = 0;
      if (!process.status && ::waitpid(process.pid, &status, WNOHANG) == process.pid) {
        process.status = status;
        if (status != 0 && !first) first = static_cast<int>(i);
      }
      any = any || !process.status;
    }
    return any;
  }

  void PassOn(int signal) const {
    for (const Process& process : ranks_) {
      if (!process.status) ::kill(process.pid, signal);
    }
  }

  // The first one decides what comes of it.
  void Stop(int signal) {
    if (!asked_) asked_ = signal;
    PassOn(signal);
  }

  // Ctrl-Z, until fg or bg.
  void Suspend() const {
    PassOn(SIGSTOP);
    ::raise(SIGSTOP);
    PassOn(SIGCONT);
  }

  void KillRest() {
    for (size_t i = 0; i < ranks_.size(); ++i) {
      if (ranks_[i].status || std::find(killed_.begin(), killed_.end(), i) != killed_.end()) continue;
      killed_.push_back(i);
      ::kill(ranks_[i].pid, SIGKILL);  // one that is stopped too
    }
  }

  // The one that the others could not go on without: ended by a signal, or by an error of its own, or still silent when
  // the rest had left.
  Outcome Judge(int first) const {
    const auto own_fault = [&](size_t i) {
      const int status = *ranks_[i].status;
      if (std::find(killed_.begin(), killed_.end(), i) != killed_.end()) return false;
      return WIFSIGNALED(status) || (status != 0 && WEXITSTATUS(status) != static_cast<int>(ExitCode::kRankLost));
    };
    auto culprit = static_cast<size_t>(first);
    for (size_t i = 0; i < ranks_.size() && !own_fault(culprit); ++i) {
      if (own_fault(i)) culprit = i;
    }
    if (!own_fault(culprit) && !killed_.empty()) return Hung(killed_.front());
    const int status = *ranks_[culprit].status;
    // One that had not come to its handlers yet, or was asked twice.
    if (WIFSIGNALED(status) && asked_)
      return {asked_ == SIGUSR1 ? static_cast<int>(ExitCode::kRequeue) : 128 + asked_, "", false};
    if (WIFSIGNALED(status)) {
      return {static_cast<int>(ExitCode::kRankLost),
              fmt::format("genvinci: error[RANK_DEAD]: {} was ended by signal {} ({})", Name(culprit), WTERMSIG(status),
                          ::strsignal(WTERMSIG(status))),
              /*may_go_on=*/true};
    }
    const int code = WEXITSTATUS(status);
    const bool was_asked = code == 130 || code == 143 || code == 75;
    const bool may_go_on =
        !asked_ && (code == static_cast<int>(ExitCode::kRankLost) || code == static_cast<int>(ExitCode::kIo));
    if (was_asked) return {code, "", false};
    return {code, fmt::format("genvinci: error[RANK_FAILED]: {} left with exit code {}", Name(culprit), code),
            may_go_on};
  }

  Outcome Hung(size_t rank) const {
    return {static_cast<int>(ExitCode::kRankLost),
            fmt::format("genvinci: error[RANK_HUNG]: {} did not answer and was killed", Name(rank)),
            /*may_go_on=*/!asked_};
  }

  std::string Name(size_t rank) const {
    return fmt::format("rank {} of {} on {} (pid {}, step {})", rank, ranks_.size(), HostName(), ranks_[rank].pid,
                       status_.Step(static_cast<int>(rank)));
  }

  const LocalLaunch& launch_;
  std::string run_;
  RankStatus status_;
  int restart_;
  std::vector<Process> ranks_;
  std::vector<size_t> killed_;
  int asked_ = 0;  // the first stop signal
};

// The signals that Wait takes by hand.
class BlockedSignals {
 public:
  BlockedSignals() {
    ::sigemptyset(&set_);
    ::sigaddset(&set_, SIGCHLD);
    ::sigaddset(&set_, SIGTSTP);
    for (const int signal : kStopSignals) ::sigaddset(&set_, signal);
    ::sigprocmask(SIG_BLOCK, &set_, &before_);
  }
  ~BlockedSignals() { ::sigprocmask(SIG_SETMASK, &before_, nullptr); }
  BlockedSignals(const BlockedSignals&) = delete;
  BlockedSignals& operator=(const BlockedSignals&) = delete;

  const sigset_t& set() const { return set_; }

 private:
  sigset_t set_{}, before_{};
};

}  // namespace

int RunLocalRanks(const LocalLaunch& launch) {
  const BlockedSignals signals;
  std::string run;
  for (int restart = 0;; ++restart) {
    RankProcesses ranks(launch, run, restart);
    const Outcome outcome = ranks.Wait(signals.set());
    run = ranks.Run();
    if (!outcome.line.empty())
      std::fprintf(stderr, "%s%s\n", outcome.line.c_str(),
                   run.empty() || !outcome.may_go_on ? "" : fmt::format(": go on with --resume {}", run).c_str());
    if (!outcome.may_go_on || restart >= launch.max_restarts) return outcome.exit_code;
    Log("starting the ranks again, {} of {}", restart + 1, launch.max_restarts);
  }
}

}  // namespace genvinci
