#include "genvinci/distributed/rank_group.h"

#include <c10/util/Logging.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <thread>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#include <torch/csrc/distributed/c10d/Work.hpp>

#include "backends.h"
#include "genvinci/core/error.h"
#include "genvinci/core/log.h"
#include "genvinci/core/signals.h"
#include "genvinci/core/text.h"
#include "genvinci/launch/rank_status.h"
#include "genvinci/tensor/device.h"
#include "rank_watch.h"

namespace genvinci {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr auto kPoll = milliseconds(10);
constexpr auto kLastWords = std::chrono::seconds(3);
constexpr auto kLastWordsOfAFailure = std::chrono::seconds(1);

milliseconds Milliseconds(double seconds) { return milliseconds(static_cast<int64_t>(1000 * seconds)); }

std::vector<std::string> KeysOf(const char* name, int world) {
  std::vector<std::string> keys;
  for (int rank = 0; rank < world; ++rank) keys.push_back(fmt::format("{}/{}", name, rank));
  return keys;
}

std::string StoreName(const RankEnvironment& env) { return fmt::format("{}:{}", env.host, env.port); }

bool ServesStore(const RankEnvironment& env) { return env.rank == 0 && !env.store_is_served; }

// c10d tells of each failure with a backtrace before it throws; what it throws is what we tell.
void QuietC10d() {
  ::setenv("TORCH_CPP_LOG_LEVEL", "ERROR", /*overwrite=*/0);
  c10::initLogging();
}

c10::intrusive_ptr<c10d::Store> OpenStore(const RankEnvironment& env, const RankOptions& options) {
  QuietC10d();
  c10d::TCPStoreOptions store;
  store.port = env.port;
  store.isServer = ServesStore(env);
  store.numWorkers = env.world;
  store.waitWorkers = false;
  store.timeout = Milliseconds(options.init_timeout);
  if (store.isServer && env.listen_descriptor >= 0) store.masterListenFd = env.listen_descriptor;
  try {
    auto tcp = c10::make_intrusive<c10d::TCPStore>(env.host, store);
    return c10::make_intrusive<c10d::PrefixStore>(fmt::format("genvinci/{}", env.restart), tcp);
  } catch (const std::exception& error) {
    if (store.isServer)
      throw RankError("RANK_STORE", "rank 0: the store cannot be served at {}: {}", StoreName(env), error.what());
    throw RankError("RANK_MISSING",
                    "rank {}: {} did not answer within {:.0f} s at {}: look at its log, or raise --init_timeout",
                    env.rank, env.store_is_served ? "torchrun's agent" : "rank 0, which serves the store,",
                    options.init_timeout, StoreName(env));
  }
}

// Who has not come is named.
void RequireAll(c10d::Store& store, const RankEnvironment& env, const RankOptions& options) {
  store.set(fmt::format("who/{}", env.rank), fmt::format("{} {}", HostName(), ::getpid()));
  const std::vector<std::string> keys = KeysOf("who", env.world);
  const auto end = Clock::now() + Milliseconds(options.init_timeout);
  while (!store.check(keys)) {
    ThrowIfStopped("stopped while waiting for the other ranks: nothing was to be saved");
    if (Clock::now() < end) {
      std::this_thread::sleep_for(kPoll);
      continue;
    }
    std::vector<std::string> missing;
    for (int rank = 0; rank < env.world; ++rank) {
      if (!store.check({keys[static_cast<size_t>(rank)]})) missing.push_back(std::to_string(rank));
    }
    throw RankError("RANK_MISSING",
                    "rank {} of {}: rank {} did not come within {:.0f} s: look at its log, or raise --init_timeout",
                    env.rank, env.world, JoinText(missing, ", "), options.init_timeout);
  }
}

void AwaitAll(c10d::Store& store, const RankEnvironment& env, const RankOptions& options) {
  try {
    RequireAll(store, env, options);
  } catch (const RankError&) {
    // The store goes with whoever serves it; the others are about to give up too, and have a name to say.
    if (ServesStore(env)) std::this_thread::sleep_for(kLastWordsOfAFailure);
    throw;
  } catch (const Error&) {
    throw;
  } catch (const std::exception&) {
    throw RankError("RANK_MISSING",
                    "rank {} of {}: the store at {} went away while ranks were awaited: look at rank 0's log", env.rank,
                    env.world, StoreName(env));
  }
}

}  // namespace

struct RankGroup::Parts {
  ~Parts() {
    if (watch) RankWatch::Leave(std::move(watch));
  }

  c10::intrusive_ptr<c10d::Store> store;
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
  parts_.reset(new Parts{{}, {}, {}, {}, RankStatus::Open(environment.status_descriptor)});
  parts_->store = OpenStore(environment, options);
  AwaitAll(*parts_->store, environment, options);
  RankWatchOptions watch{environment.rank, environment.world, StoreName(environment)};
  watch.store_is_rank0 = !environment.store_is_served;
  watch.rank_timeout = std::chrono::duration<double>(options.rank_timeout);
  const auto timeout = Milliseconds(options.rank_timeout);
  const auto connection = parts_->store->clone();
  connection->setTimeout(timeout);
  parts_->watch = std::make_unique<RankWatch>(connection, watch);
  Guarded([&] {
    const auto place = [&](const char* name) {
      return BackendPlace{c10::make_intrusive<c10d::PrefixStore>(name, parts_->store->clone()), rank(), world(),
                          environment.host, timeout};
    };
    parts_->gloo = MakeGloo(place("gloo"));
    if (device.is_cuda()) parts_->nccl = MakeNccl(place("nccl"));
  });
}

RankGroup::~RankGroup() {
  if (!parts_) return;
  RankWatch::Leave(std::move(parts_->watch));
  if (!ServesStore(environment_)) return;
  // The store ends with this rank: the others are to hear its last words first. Whatever fails here, they notice.
  try {
    const std::vector<std::string> keys = KeysOf("beat", world());
    const auto left = [](const std::vector<uint8_t>& beat) {
      const std::string text(beat.begin(), beat.end());
      return text.ends_with(" done") || text.find(" failed ") != std::string::npos;
    };
    const auto most = parts_->has_failed ? kLastWordsOfAFailure : kLastWords;
    for (const auto end = Clock::now() + most; Clock::now() < end; std::this_thread::sleep_for(kPoll)) {
      const auto beats = parts_->store->multiGet(keys);
      if (std::all_of(beats.begin(), beats.end(), left)) break;
    }
  } catch (const std::exception& error) {
    Log("the store: {}", error.what());
  }
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

namespace {

int CudaDevices() { return torch::cuda::is_available() ? static_cast<int>(torch::cuda::device_count()) : 0; }

void ShareMachine(const RankEnvironment& environment, const CommonOptions& common) {
  if (!environment.is_main()) SetSilent(true);
  if (environment.local_world == 1 || common.threads > 0) return;
  at::set_num_threads(std::max(1, at::get_num_threads() / environment.local_world));
}

}  // namespace

RankGroup::Pending RankGroup::ReduceAsync(torch::Tensor& values, Reduction reduction) {
  if (world() == 1) return Pending();
  GENVINCI_CHECK(values.is_contiguous());
  c10::intrusive_ptr<c10d::Work> work;
  parts_->watch->CountCollective();
  Guarded([&] {
    std::vector<at::Tensor> tensors = {values};
    c10d::AllreduceOptions options;
    options.reduceOp = reduction == Reduction::kSum ? c10d::ReduceOp::SUM : c10d::ReduceOp::MAX;
    work = parts_->For(values).allreduce(tensors, options);
  });
  return Pending([this, work] { Guarded([&] { work->wait(); }); });
}

void RankGroup::Pending::Wait() {
  if (wait_) wait_();
  wait_ = {};
}

void RankGroup::Broadcast(torch::Tensor& values, int from) {
  if (world() == 1) return;
  GENVINCI_CHECK(values.is_contiguous());
  parts_->watch->CountCollective();
  Guarded([&] {
    std::vector<at::Tensor> tensors = {values};
    c10d::BroadcastOptions options;
    options.rootRank = from;
    parts_->For(values).broadcast(tensors, options)->wait();
  });
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
  parts_->watch->CountCollective();
  Guarded([&] {
    std::vector<std::vector<at::Tensor>> out = {all.unbind(0)};
    std::vector<at::Tensor> in = {values.contiguous()};
    parts_->For(values).allgather(out, in)->wait();
  });
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
      ThrowIfStopped("stopped while waiting for another rank");
      std::this_thread::sleep_for(kPoll);
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

void RankGroup::SetStep(int64_t step) {
  if (!parts_) return;
  parts_->watch->SetStep(step);
  parts_->status.SetStep(rank(), step);
}

void RankGroup::SetRun(const std::string& path) {
  if (parts_ && is_main()) parts_->status.SetRun(path);
}

void RankGroup::SayFailed(const std::string& line) {
  if (!parts_) return;
  parts_->has_failed = true;
  parts_->watch->SayFailed(line);
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
