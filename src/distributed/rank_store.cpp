#include "rank_store.h"

#include <c10/util/Logging.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <system_error>
#include <thread>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include "genvinci/core/error.h"
#include "genvinci/core/log.h"
#include "genvinci/core/run_folder.h"
#include "genvinci/core/signals.h"
#include "genvinci/core/text.h"

namespace genvinci {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr auto kPoll = milliseconds(10);
constexpr auto kLastWords = std::chrono::seconds(3);
constexpr auto kLastWordsOfAFailure = std::chrono::seconds(1);

std::vector<std::string> KeysOf(const char* name, int world) {
  std::vector<std::string> keys;
  for (int rank = 0; rank < world; ++rank) keys.push_back(fmt::format("{}/{}", name, rank));
  return keys;
}

bool ServesStore(const RankEnvironment& env) { return env.rank == 0 && !env.store_is_served; }

// c10d tells of each failure with a backtrace before it throws; what it throws is what we tell.
void QuietC10d() {
  ::setenv("TORCH_CPP_LOG_LEVEL", "ERROR", /*overwrite=*/0);
  c10::initLogging();
}

// Processes with the same place see each other's process numbers.
std::string Place() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string boot;
  std::getline(file, boot);
  std::error_code error;
  return fmt::format("{}/{}/{}", HostName(), boot, fs::read_symlink("/proc/self/ns/pid", error).string());
}

// Who has not come is named.
void RequireAll(c10d::Store& store, const RankEnvironment& env, const RankOptions& options) {
  store.set(fmt::format("who/{}", env.rank), fmt::format("{} {} {}", HostName(), ::getpid(), Place()));
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

}  // namespace

std::string StoreName(const RankEnvironment& env) { return fmt::format("{}:{}", env.host, env.port); }

milliseconds Milliseconds(double seconds) { return milliseconds(static_cast<int64_t>(1000 * seconds)); }

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
    return c10::make_intrusive<c10d::TCPStore>(env.host, store);
  } catch (const std::exception& error) {
    if (store.isServer)
      throw RankError("RANK_STORE", "rank 0: the store cannot be served at {}: {}", StoreName(env), error.what());
    throw RankError("RANK_MISSING",
                    "rank {}: {} did not answer within {:.0f} s at {}: look at its log, or raise --init_timeout",
                    env.rank, env.store_is_served ? "torchrun's agent" : "rank 0, which serves the store,",
                    options.init_timeout, StoreName(env));
  }
}

c10::intrusive_ptr<c10d::Store> StoreOfThisStart(const c10::intrusive_ptr<c10d::Store>& store, const RankEnvironment& env) {
  return c10::make_intrusive<c10d::PrefixStore>(fmt::format("genvinci/{}", env.restart), store);
}

void AwaitRanks(c10d::Store& store, const RankEnvironment& env, const RankOptions& options) {
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

void AwaitLastWords(c10d::Store& store, const RankEnvironment& env, bool has_failed) {
  if (!ServesStore(env)) return;
  // Whatever fails here, the others notice.
  try {
    const std::vector<std::string> keys = KeysOf("beat", env.world);
    const auto left = [](const std::vector<uint8_t>& beat) {
      const std::string text(beat.begin(), beat.end());
      return text.ends_with(" done") || text.find(" failed ") != std::string::npos ||
             text.find(" stopped ") != std::string::npos;
    };
    const auto most = has_failed ? kLastWordsOfAFailure : kLastWords;
    for (const auto end = Clock::now() + most; Clock::now() < end; std::this_thread::sleep_for(kPoll)) {
      const auto beats = store.multiGet(keys);
      if (std::all_of(beats.begin(), beats.end(), left)) break;
    }
  } catch (const std::exception& error) {
    Log("the store: {}", error.what());
  }
}

}  // namespace genvinci
