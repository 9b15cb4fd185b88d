#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace genvinci {

struct LocalLaunch {
  std::vector<std::string> program;  // path and arguments of a rank
  int ranks = 2;
  int64_t max_restarts = 0;
};

// Starts the ranks on this machine and waits for them; returns what the process is to exit with. Each gets torchrun's
// variables; rank 0 also gets the socket that it will serve the store on, so that no port is guessed.
//
// SIGINT, SIGTERM and SIGUSR1 are passed on; SIGTSTP (Ctrl-Z) stops the ranks too, until the launcher goes on. When one
// rank is lost, the others have two seconds to leave by themselves (20 after a signal) and are killed then; a last line
// names the rank, host, signal and step. A rank that was ended by a signal or counts as hung, and a failure to read or
// write, are followed by another start that goes on from the run's last checkpoint, `max_restarts` times, unless a
// signal asked for the end. The ranks end with this process, however that ends. IoError RANK_START.
int RunLocalRanks(const LocalLaunch& launch);

}  // namespace genvinci
