#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "genvinci/launch/rank_options.h"

namespace genvinci {

enum class Launcher {
  kNone,      // one process alone
  kOwn,       // --devices
  kTorchrun,  // or whoever sets the same variables
  kSlurm,     // srun
};

// A rank's place among the others and where they meet.
struct RankEnvironment {
  Launcher launcher = Launcher::kNone;
  int rank = 0, world = 1;
  int local_rank = 0, local_world = 1;  // on this host
  std::string host = "127.0.0.1";       // of the store
  uint16_t port = 0;
  bool store_is_served = false;  // by torchrun's agent: every rank is a client
  int listen_descriptor = -1;    // kOwn, rank 0: the store's socket, already bound
  int status_descriptor = -1;    // kOwn: the launcher's RankStatus
  int restart = 0;               // how often the launcher has started the ranks again
  std::string run = "";          // kOwn, after a restart: the run's folder

  bool is_main() const { return rank == 0; }
};

using Getenv = std::function<const char*(const char*)>;

// torchrun's variables first (RANK, WORLD_SIZE, LOCAL_RANK, LOCAL_WORLD_SIZE, MASTER_ADDR, MASTER_PORT,
// TORCHELASTIC_USE_AGENT_STORE, TORCHELASTIC_RESTART_COUNT), then those of a Slurm step (SLURM_PROCID,
// SLURM_STEP_NUM_TASKS, SLURM_LOCALID, SLURM_STEP_TASKS_PER_NODE, SLURM_STEP_NODELIST, SLURM_JOB_ID); a batch script's
// own process, which has no step, is one process alone. MASTER_ADDR and MASTER_PORT override what is derived from
// Slurm's. ConfigError RANK_ENVIRONMENT for a variable that is missing or no number in its range.
RankEnvironment ReadRankEnvironment(const Getenv& get);
RankEnvironment ReadRankEnvironment();  // of this process

// "node[01-03,7],gpu5" -> node01, node02, node03, node7, gpu5. ConfigError RANK_ENVIRONMENT.
std::vector<std::string> ExpandHostList(const std::string& list);
// A port that every task of the step derives alike: 20000 to 31999.
uint16_t PortOfJob(int64_t job, int64_t step);

// What --devices asks for. "2": two ranks, devices 0 and 1; "0,2": two ranks on these; "": none. ConfigError DEVICES.
std::vector<int> ParseDevices(const std::string& devices);
// The device of this rank: "auto" and "cuda" become cuda:N where `cuda_devices` > 0 (N: from --devices, else the local
// rank; a Slurm task that sees one device has it to itself); anything else stays. ConfigError DEVICES where there are
// fewer devices than ranks on this host.
std::string RankDevice(const std::string& device, const RankEnvironment& environment, const RankOptions& options,
                       int cuda_devices);

}  // namespace genvinci
