#include "genvinci/distributed/rank_group.h"

#include <sched.h>

#include <algorithm>
#include <cstdlib>
#include <thread>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/Work.hpp>

#include "backends.h"
#include "genvinci/core/error.h"
#include "genvinci/core/log.h"
#include "genvinci/core/memory.h"
#include "genvinci/core/signals.h"
#include "genvinci/core/text.h"
#include "genvinci/launch/rank_status.h"
#include "genvinci/tensor/device.h"
#include "rank_store.h"
#include "rank_watch.h"

namespace genvinci {
namespace {

constexpr const char* kRunKey = "genvinci/run";
constexpr auto kExitPoll = std::chrono::milliseconds(10);
// For calls that the watch looks after, which knows a pause of all from one rank's silence.
constexpr auto kNoTimeout = std::chrono::milliseconds(std::chrono::hours(24 * 365));

int CudaDevices() { return torch::cuda::is_available() ? static_cast<int>(torch::cuda::device_count()) : 0; }

// Processors that this process may use.
int Processors() {
  cpu_set_t set;
  CPU_ZERO(&set);
  return ::sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : at::get_num_threads();
}

// A launcher that binds each rank to processors of its own has shared them out, and so has whoever sets
// OMP_NUM_THREADS.
int ThreadsOf(const RankEnvironment& environment) {
  const char* given = std::getenv("SLURM_CPUS_PER_TASK");
  int64_t bound = 0;
  if (environment.launcher == Launcher::kSlurm && given && ParseInteger(given, bound) && bound > 0)
    return static_cast<int>(std::min<int64_t>(bound, Processors()));
  return std::max(1, at::get_num_threads() / environment.local_world);
}

void ShareMachine(const RankEnvironment& environment, const CommonOptions& common) {
  if (environment.world > 1) SetLogRank(environment.rank);
  if (!environment.is_main()) SetSilent(true);
  if (environment.local_world == 1) return;
  SetMemorySharers(environment.local_world);
  if (common.threads == 0 && !std::getenv("OMP_NUM_THREADS")) at::set_num_threads(ThreadsOf(environment));
}

std::chrono::milliseconds TimeoutFor(const torch::Tensor& values) {
  return values.is_cpu() ? kNoTimeout : c10d::kUnsetTimeout;
}

}  // namespace

struct RankGroup::Parts {
  ~Parts() {
    if (watch) RankWatch::Leave(std::move(watch));
  }

  c10::intrusive_ptr<c10d::Store> lasting_store, store;  // store: of this start of the ranks
  std::unique_ptr<RankWatch> watch;
  c10::intrusive_ptr<c10d::Backend> gloo, nccl;
  RankStatus status = RankStatus::Open(-1);
  int64_t barriers = 0;
  bool has_failed = false;

  c10d::Backend& For(const torch::Tensor& values) { return values.is_cpu() ? *gloo : *nccl; }
};

RankGroup::RankGroup(const torch::Device& device) : device_(device) {}

RankGroup::RankGroup(const RankEnvironment& environment, const RankOptions& options, const torch::Device& device)
    : environment_(environment), device_(device) {
  if (environment.world == 1 && environment.status_descriptor < 0) return;
  parts_.reset(new Parts{{}, {}, {}, {}, {}, RankStatus::Open(environment.status_descriptor)});
  parts_->lasting_store = OpenStore(environment, options);
  parts_->store = StoreOfThisStart(parts_->lasting_store, environment);
  // torchrun's agent keeps its store from one start to the next.
  if (is_main() && environment.restart > 0 && environment.run.empty() && parts_->lasting_store->check({kRunKey}))
    environment_.run = parts_->lasting_store->get_to_str(kRunKey);
  AwaitRanks(*parts_->store, environment, options);
  RankWatchOptions watch{environment.rank, environment.world, StoreName(environment)};
  watch.store_is_rank0 = !environment.store_is_served;
  watch.rank_timeout = std::chrono::duration<double>(options.rank_timeout);
  watch.init_timeout = std::chrono::duration<double>(options.init_timeout);
  const auto connection = parts_->store->clone();
  connection->setTimeout(kNoTimeout);  // the watch looks after it
  parts_->watch = std::make_unique<RankWatch>(connection, watch);
  try {
    MakeBackends(options);
  } catch (const Error& error) {
    SayFailed(error.Line());
    Leave();
    throw;
  }
}

void RankGroup::MakeBackends(const RankOptions& options) {
  const auto place = [&](const char* name, std::chrono::milliseconds timeout) {
    return BackendPlace{c10::make_intrusive<c10d::PrefixStore>(name, parts_->store->clone()), rank(), world(),
                        environment_.host, timeout};
  };
  Guarded([&] {
    parts_->gloo = MakeGloo(place("gloo", Milliseconds(options.init_timeout)));
    if (!device_.is_cuda()) return;
    // The watch comes first where a rank does not begin a call that others wait in.
    parts_->nccl = MakeNccl(place("nccl", Milliseconds(options.rank_timeout) + std::chrono::seconds(30)));
  });
}

RankGroup::~RankGroup() {
  if (parts_) Leave();
}

void RankGroup::Leave() {
  RankWatch::Leave(std::move(parts_->watch));
  AwaitLastWords(*parts_->store, environment_, parts_->has_failed);
  // NCCL may wait for ever for a rank that is gone; the process is about to end.
  if (parts_->has_failed) parts_->nccl.release();
}

// A library's error here means that a rank is lost; which one, the watch knows.
template <typename Call>
void RankGroup::Guarded(Call call) {
  try {
    call();
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    const c10::Error* torch_error = dynamic_cast<const c10::Error*>(&error);
    const std::string what = torch_error ? torch_error->what_without_backtrace() : error.what();
    parts_->watch->Blame(what.substr(0, what.find('\n')));
  }
}

void RankGroup::Sum(torch::Tensor& values) { SumAsync(values).Wait(); }

void RankGroup::Max(torch::Tensor& values) { MaxAsync(values).Wait(); }

// `start` begins a call of all ranks and returns its work.
template <typename Start>
RankGroup::Pending RankGroup::Begin(Start start) {
  c10::intrusive_ptr<c10d::Work> work;
  parts_->watch->CountCollective();
  Guarded([&] { work = start(); });
  return Pending([this, work] { Guarded([&] { work->wait(); }); });
}

RankGroup::Pending RankGroup::ReduceAsync(torch::Tensor& values, Reduction reduction) {
  if (world() == 1) return Pending();
  GENVINCI_CHECK(values.is_contiguous());
  return Begin([&] {
    std::vector<at::Tensor> tensors = {values};
    c10d::AllreduceOptions options;
    options.timeout = TimeoutFor(values);
    options.reduceOp = reduction == Reduction::kSum ? c10d::ReduceOp::SUM : c10d::ReduceOp::MAX;
    return parts_->For(values).allreduce(tensors, options);
  });
}

void RankGroup::Pending::Wait() {
  if (wait_) wait_();
  wait_ = {};
}

void RankGroup::Broadcast(torch::Tensor& values, int from) {
  if (world() == 1) return;
  GENVINCI_CHECK(values.is_contiguous());
  Begin([&] {
    std::vector<at::Tensor> tensors = {values};
    c10d::BroadcastOptions options;
    options.timeout = TimeoutFor(values);
    options.rootRank = from;
    return parts_->For(values).broadcast(tensors, options);
  }).Wait();
}

std::vector<double> RankGroup::Sum(std::vector<double> values) {
  if (world() == 1) return values;
  torch::Tensor sums = torch::tensor(values, torch::kFloat64);
  Sum(sums);
  return {sums.data_ptr<double>(), sums.data_ptr<double>() + sums.numel()};
}

std::string RankGroup::Broadcast(const std::string& text) {
  if (world() == 1) return text;
  torch::Tensor size = torch::tensor({static_cast<int64_t>(text.size())});
  Broadcast(size);
  torch::Tensor bytes = torch::empty({size.item<int64_t>()}, torch::kUInt8);
  if (is_main()) std::copy(text.begin(), text.end(), bytes.data_ptr<uint8_t>());
  if (bytes.numel() > 0) Broadcast(bytes);
  return {bytes.data_ptr<uint8_t>(), bytes.data_ptr<uint8_t>() + bytes.numel()};
}

Json RankGroup::Broadcast(const Json& json) {
  if (world() == 1) return json;
  return ParseJson(Broadcast(json.dump()), "the main rank");
}

torch::Tensor RankGroup::Gather(const torch::Tensor& values) {
  if (world() == 1) return values.unsqueeze(0);
  std::vector<int64_t> shape = values.sizes().vec();
  shape.insert(shape.begin(), world());
  torch::Tensor all = torch::zeros(shape, values.options());
  const torch::Tensor mine = values.contiguous();
  Begin([&] {
    std::vector<std::vector<at::Tensor>> out = {all.unbind(0)};
    std::vector<at::Tensor> in = {mine};
    c10d::AllgatherOptions options;
    options.timeout = TimeoutFor(values);
    return parts_->For(values).allgather(out, in, options);
  }).Wait();
  return all;
}

torch::Tensor RankGroup::GatherRows(const torch::Tensor& rows) {
  if (world() == 1) return rows;
  const torch::Tensor counts = Gather(torch::tensor({rows.size(0)})).flatten();
  std::vector<int64_t> shape = rows.sizes().vec();
  shape[0] = counts.max().item<int64_t>();
  torch::Tensor padded = torch::zeros(shape, rows.options());
  padded.narrow(0, 0, rows.size(0)).copy_(rows);
  const torch::Tensor all = Gather(padded);
  std::vector<torch::Tensor> parts;
  for (int rank = 0; rank < world(); ++rank) parts.push_back(all[rank].narrow(0, 0, counts[rank].item<int64_t>()));
  return torch::cat(parts);
}

// Through the store and not by a collective, which would give up on whoever works longer than the timeout.
void RankGroup::Barrier() {
  if (world() == 1) return;
  Guarded([&] {
    const std::string here = fmt::format("barrier/{}", ++parts_->barriers), all = here + "/all";
    if (parts_->store->add(here, 1) == world()) parts_->store->set(all, "1");
    while (!parts_->store->check({all})) {
      parts_->watch->Check();
      std::this_thread::sleep_for(kExitPoll);
    }
  });
}

void RankGroup::OnMain(const std::function<void()>& work) {
  if (is_main()) work();
  Barrier();
}

void RankGroup::MainFirst(const std::function<void()>& work) {
  OnMain(work);
  if (!is_main()) work();
}

void RankGroup::ThrowIfAnyStopped(const char* saved) {
  if (world() == 1) return ThrowIfStopped(saved);
  torch::Tensor signal = torch::tensor({static_cast<int64_t>(StopSignal())});
  Max(signal);
  if (signal.item<int64_t>() != 0) throw Interrupted(static_cast<int>(signal.item<int64_t>()), saved);
}

void RankGroup::SetStep(int64_t step) {
  if (!parts_) return;
  parts_->watch->SetStep(step);
  parts_->status.SetStep(rank(), step);
}

void RankGroup::SetRun(const std::string& path) {
  if (!parts_ || !is_main()) return;
  parts_->status.SetRun(path);
  parts_->lasting_store->set(kRunKey, path);
}

void RankGroup::SayFailed(const std::string& line) {
  if (!parts_) return;
  parts_->has_failed = true;
  parts_->watch->SayFailed(line);
}

void RankGroup::SayStopped(int signal) {
  if (parts_) parts_->watch->SayStopped(signal);
}

Json WithRanks(const RankOptions& options, const CommonOptions& common, const std::function<Json(RankGroup&)>& work) {
  const RankEnvironment environment = ReadRankEnvironment();
  if (environment.launcher != Launcher::kOwn && environment.world > 1 && !options.devices.empty())
    throw ConfigError("DEVICES", "devices: {}: the ranks are started by torchrun or srun already: leave it out",
                      options.devices);
  ShareMachine(environment, common);
  RankGroup ranks(environment, options, OpenDevice(RankDevice(common.device, environment, options, CudaDevices())));
  // A rank's edge: the others are told what it could not go on for.
  try {
    return work(ranks);
  } catch (const Interrupted&) {
    // Without a signal of its own it follows others, who have said so.
    if (StopSignal() != 0) ranks.SayStopped(StopSignal());
    throw;
  } catch (const Error& error) {
    ranks.SayFailed(error.Line());
    throw;
  } catch (const std::exception& error) {
    ranks.SayFailed(error.what());
    throw;
  }
}

}  // namespace genvinci
