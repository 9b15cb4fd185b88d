#include "distributed/rank_bodies.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <random>
#include <thread>

#include "genvinci/core/error.h"

namespace genvinci {
namespace {

// Below the range that the system hands out by itself, so that nobody takes it, or one of the next fifty, meanwhile.
int FreePort() {
  std::random_device random;
  for (;;) {
    const int port = 20000 + static_cast<int>(random() % 240) * 50;
    const int descriptor = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<uint16_t>(port));
    const bool is_free = ::bind(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
    ::close(descriptor);
    if (is_free) return port;
  }
}

pid_t Spawn(std::vector<std::string> arguments, std::vector<std::string> variables, const fs::path& err,
            const std::string& host) {
  std::vector<char*> argv, env;
  for (auto& argument : arguments) argv.push_back(argument.data());
  for (auto& variable : variables) env.push_back(variable.data());
  for (char** variable = environ; *variable; ++variable) env.push_back(*variable);
  argv.push_back(nullptr);
  env.push_back(nullptr);
  const pid_t pid = ::fork();
  if (pid != 0) return pid;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (!host.empty() && (::unshare(CLONE_NEWUTS) != 0 || ::sethostname(host.data(), host.size()) != 0)) ::_exit(126);
  const int file = ::open(err.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0666);
  ::dup2(file, 2);
  ::execve("/proc/self/exe", argv.data(), env.data());
  ::_exit(127);
}

int RunBody(const std::string& name, const fs::path& folder) {
  try {
    RankBodies().at(name)(folder);
    return testing::Test::HasFailure() ? 1 : 0;
  } catch (const Error& error) {
    std::fprintf(stderr, "%s\n", error.Line().c_str());
    return static_cast<int>(error.exit_code());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}

// As a scheduler suspends a job, or a machine all that runs on it.
void Pause(const std::vector<pid_t>& pids, double seconds) {
  const auto signal = [&](int number) {
    for (const pid_t pid : pids) {
      if (pid > 0) ::kill(pid, number);
    }
  };
  signal(SIGSTOP);
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
  signal(SIGCONT);
}

}  // namespace

std::map<std::string, RankBody>& RankBodies() {
  static std::map<std::string, RankBody> bodies;
  return bodies;
}

std::vector<RankEnd> StartRanks(const fs::path& folder, const RankStart& start) {
  using Clock = std::chrono::steady_clock;
  const int port = FreePort();
  const auto begin = Clock::now();
  std::vector<pid_t> pids(static_cast<size_t>(start.world), 0);
  std::vector<RankEnd> ends(pids.size());
  const auto err = [&](size_t rank) { return folder / ("rank" + std::to_string(rank) + ".err"); };
  for (size_t rank = 0; rank < pids.size(); ++rank) {
    if (std::find(start.absent.begin(), start.absent.end(), static_cast<int>(rank)) != start.absent.end()) continue;
    std::vector<std::string> variables = start.variables;
    const std::string r = std::to_string(rank), w = std::to_string(start.world);
    for (const std::string& variable : {"RANK=" + r, "LOCAL_RANK=" + r, "WORLD_SIZE=" + w, "LOCAL_WORLD_SIZE=" + w,
                                        std::string("MASTER_ADDR=127.0.0.1"), "MASTER_PORT=" + std::to_string(port)})
      variables.push_back(variable);
    pids[rank] = Spawn({"rank", "--rank-body", start.body, folder.string()}, variables, err(rank),
                       start.hosts.empty() ? "" : start.hosts.at(rank));
  }
  size_t left = pids.size() - start.absent.size();
  bool is_to_pause = start.pause > 0;
  while (left > 0) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    if (is_to_pause && fs::exists(folder / "pause")) {
      is_to_pause = false;
      Pause(pids, start.pause);
    }
    const std::chrono::duration<double> took = Clock::now() - begin;
    for (size_t rank = 0; rank < pids.size(); ++rank) {
      if (pids[rank] <= 0) continue;
      if (took.count() > start.timeout) ::kill(pids[rank], SIGKILL);
      int status = 0;
      if (::waitpid(pids[rank], &status, WNOHANG) != pids[rank]) continue;
      ends[rank] = {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), ReadFile(err(rank)),
                    took.count()};
      pids[rank] = 0;
      --left;
    }
  }
  return ends;
}

}  // namespace genvinci

int main(int argc, char** argv) {
  if (argc == 4 && std::string(argv[1]) == "--rank-body") return genvinci::RunBody(argv[2], argv[3]);
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
