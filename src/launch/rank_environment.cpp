#include "genvinci/launch/rank_environment.h"

#include <algorithm>
#include <cstdlib>
#include <optional>

#include "genvinci/core/error.h"
#include "genvinci/core/text.h"

namespace genvinci {
namespace {

constexpr int64_t kMostRanks = 1 << 20;

class Variables {
 public:
  explicit Variables(const Getenv& get) : get_(get) {}

  bool Has(const char* name) const { return get_(name) != nullptr && *get_(name) != '\0'; }
  std::string Text(const char* name) const {
    if (!Has(name))
      throw ConfigError("RANK_ENVIRONMENT", "{}: is not set: start ranks by torchrun, srun or --devices", name);
    return get_(name);
  }
  int64_t Number(const char* name, int64_t lowest, int64_t highest) const {
    const std::string text = Text(name);
    int64_t value = 0;
    if (!ParseInteger(text, value) || value < lowest || value > highest)
      throw ConfigError("RANK_ENVIRONMENT", "{}: is '{}', must be {} to {}", name, text, lowest, highest);
    return value;
  }
  int64_t Number(const char* name, int64_t lowest, int64_t highest, int64_t missing) const {
    return Has(name) ? Number(name, lowest, highest) : missing;
  }

 private:
  const Getenv& get_;
};

RankEnvironment FromTorchrun(const Variables& variables) {
  RankEnvironment env;
  env.launcher = variables.Has("GENVINCI_STATUS_FD") ? Launcher::kOwn : Launcher::kTorchrun;
  env.world = static_cast<int>(variables.Number("WORLD_SIZE", 1, kMostRanks));
  env.rank = static_cast<int>(variables.Number("RANK", 0, env.world - 1));
  env.local_world = static_cast<int>(variables.Number("LOCAL_WORLD_SIZE", 1, env.world, 1));
  env.local_rank = static_cast<int>(variables.Number("LOCAL_RANK", 0, env.world - 1, 0));
  env.host = variables.Text("MASTER_ADDR");
  env.port = static_cast<uint16_t>(variables.Number("MASTER_PORT", 1, 65535));
  const std::string served =
      variables.Has("TORCHELASTIC_USE_AGENT_STORE") ? variables.Text("TORCHELASTIC_USE_AGENT_STORE") : "";
  env.store_is_served = served == "True" || served == "true" || served == "1";
  env.restart = static_cast<int>(variables.Number("TORCHELASTIC_RESTART_COUNT", 0, kMostRanks, 0));
  env.listen_descriptor = static_cast<int>(variables.Number("GENVINCI_LISTEN_FD", 0, kMostRanks, -1));
  if (variables.Has("GENVINCI_RUN")) env.run = variables.Text("GENVINCI_RUN");
  env.status_descriptor = static_cast<int>(variables.Number("GENVINCI_STATUS_FD", 0, kMostRanks, -1));
  return env;
}

// "2(x3),1": the tasks of each node in turn; the largest is what counts for sharing a machine out.
int TasksPerNode(const std::string& text) {
  int64_t most = 1;
  for (const std::string_view part : SplitText(text, ',')) {
    int64_t tasks = 0;
    if (!ParseInteger(part.substr(0, part.find('(')), tasks) || tasks < 1)
      throw ConfigError("RANK_ENVIRONMENT", "SLURM_STEP_TASKS_PER_NODE: is '{}', expected such as 2(x3),1", text);
    most = std::max(most, tasks);
  }
  return static_cast<int>(most);
}

RankEnvironment FromSlurm(const Variables& variables) {
  RankEnvironment env;
  env.launcher = Launcher::kSlurm;
  env.world = static_cast<int>(variables.Number("SLURM_STEP_NUM_TASKS", 1, kMostRanks));
  env.rank = static_cast<int>(variables.Number("SLURM_PROCID", 0, env.world - 1));
  env.local_rank = static_cast<int>(variables.Number("SLURM_LOCALID", 0, env.world - 1, 0));
  if (variables.Has("SLURM_STEP_TASKS_PER_NODE"))
    env.local_world = std::min(env.world, TasksPerNode(variables.Text("SLURM_STEP_TASKS_PER_NODE")));
  const char* nodes = variables.Has("SLURM_STEP_NODELIST") ? "SLURM_STEP_NODELIST" : "SLURM_JOB_NODELIST";
  env.host =
      variables.Has("MASTER_ADDR") ? variables.Text("MASTER_ADDR") : ExpandHostList(variables.Text(nodes)).front();
  const int64_t most = int64_t{1} << 40;
  env.port = variables.Has("MASTER_PORT")
                 ? static_cast<uint16_t>(variables.Number("MASTER_PORT", 1, 65535))
                 : PortOfJob(variables.Number("SLURM_JOB_ID", 0, most), variables.Number("SLURM_STEP_ID", 0, most));
  env.restart = static_cast<int>(variables.Number("SLURM_RESTART_COUNT", 0, kMostRanks, 0));
  return env;
}

[[noreturn]] void BadHostList(const std::string& list) {
  throw ConfigError("RANK_ENVIRONMENT", "'{}': is no list of hosts such as node[01-03,7],gpu5", list);
}

// "01-03" -> 01, 02, 03; "7" -> 7.
std::vector<std::string> ExpandRange(std::string_view range, const std::string& list) {
  const size_t dash = range.find('-');
  const std::string_view first_text = range.substr(0, dash);
  const std::string_view last_text = dash == std::string_view::npos ? first_text : range.substr(dash + 1);
  int64_t first = 0, last = 0;
  if (!ParseInteger(first_text, first) || !ParseInteger(last_text, last) || first < 0 || last < first ||
      last - first >= kMostRanks)
    BadHostList(list);
  std::vector<std::string> numbers;
  for (int64_t i = first; i <= last; ++i) numbers.push_back(fmt::format("{:0{}}", i, first_text.size()));
  return numbers;
}

// One entry of the list; brackets may stand at several places of a name.
std::vector<std::string> ExpandHost(const std::string& host, const std::string& list) {
  const size_t open = host.find('[');
  if (open == std::string::npos) {
    if (host.empty() || host.find(']') != std::string::npos) BadHostList(list);
    return {host};
  }
  const size_t close = host.find(']', open);
  if (close == std::string::npos) BadHostList(list);
  const std::string rest = host.substr(close + 1);
  const std::vector<std::string> tails = rest.empty() ? std::vector<std::string>{""} : ExpandHost(rest, list);
  std::vector<std::string> hosts;
  const std::string inside = host.substr(open + 1, close - open - 1);
  for (const std::string_view range : SplitText(inside, ',')) {
    for (const std::string& number : ExpandRange(range, list)) {
      for (const std::string& tail : tails) hosts.push_back(host.substr(0, open) + number + tail);
    }
  }
  return hosts;
}

}  // namespace

RankEnvironment ReadRankEnvironment(const Getenv& get) {
  const Variables variables(get);
  if (variables.Has("RANK") && variables.Has("WORLD_SIZE")) return FromTorchrun(variables);
  if (variables.Has("SLURM_STEP_ID") && variables.Number("SLURM_STEP_NUM_TASKS", 1, kMostRanks, 1) > 1)
    return FromSlurm(variables);
  return {};
}

RankEnvironment ReadRankEnvironment() {
  return ReadRankEnvironment([](const char* name) { return std::getenv(name); });
}

std::vector<std::string> ExpandHostList(const std::string& list) {
  std::vector<std::string> hosts;
  std::string host;
  int depth = 0;
  for (const char c : list + ",") {
    if (c == ',' && depth == 0) {
      const auto expanded = ExpandHost(host, list);
      hosts.insert(hosts.end(), expanded.begin(), expanded.end());
      host.clear();
      continue;
    }
    depth += c == '[' ? 1 : c == ']' ? -1 : 0;
    host += c;
  }
  if (depth != 0) BadHostList(list);
  return hosts;
}

// Below the range that Linux hands out by itself (32768 and above).
uint16_t PortOfJob(int64_t job, int64_t step) { return static_cast<uint16_t>(20000 + (job * 31 + step) % 12000); }

std::vector<int> ParseDevices(const std::string& devices) {
  if (devices.empty()) return {};
  const auto refuse = [&]() -> ConfigError {
    return ConfigError("DEVICES", "devices: '{}': give a number of ranks (2) or a list of devices (0,1)", devices);
  };
  std::vector<int> list;
  for (const std::string_view part : SplitText(devices, ',')) {
    int64_t device = 0;
    if (!ParseInteger(part, device) || device < 0 || device > 1023) throw refuse();
    if (std::find(list.begin(), list.end(), device) != list.end()) throw refuse();
    list.push_back(static_cast<int>(device));
  }
  if (devices.find(',') != std::string::npos) return list;
  const int count = list.front();
  if (count == 0) throw refuse();
  list.clear();
  for (int i = 0; i < count; ++i) list.push_back(i);
  return list;
}

std::string RankDevice(const std::string& device, const RankEnvironment& environment, const RankOptions& options,
                       int cuda_devices) {
  const bool takes_cuda = (device == "auto" && cuda_devices > 0) || device == "cuda";
  if (!takes_cuda || (environment.world == 1 && options.devices.empty())) return device;
  const std::vector<int> list = ParseDevices(options.devices);
  // Where each task is given one device of its own (srun --gpus-per-task=1), it is the first one to all.
  const bool has_own = list.empty() && cuda_devices == 1 && environment.launcher == Launcher::kSlurm;
  if (has_own) return "cuda:0";
  const auto local = static_cast<size_t>(environment.local_rank);
  const int index = local < list.size() ? list[local] : environment.local_rank;
  if (index >= cuda_devices)
    throw ConfigError("DEVICES",
                      "rank {} would run on cuda:{}, but sees {} CUDA devices: start fewer ranks, give the step more "
                      "devices, or use --device cpu",
                      environment.rank, index, cuda_devices);
  return fmt::format("cuda:{}", index);
}

}  // namespace genvinci
