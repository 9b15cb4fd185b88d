// The one source that sees the headers of Gloo and NCCL; Debian's Gloo is older than the one inside LibTorch, so that
// nothing is done here but to make the backends.
#include "backends.h"

#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#ifdef GENVINCI_CUDA
#include <nccl.h>

#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>
#endif

#include <cstdlib>

#include "genvinci/core/error.h"

namespace genvinci {
namespace {

// GLOO_SOCKET_IFNAME as in Python. Ranks of one machine meet on its loopback device.
std::shared_ptr<gloo::transport::Device> GlooDevice(const std::string& host) {
  if (const char* interface = std::getenv("GLOO_SOCKET_IFNAME"); interface && *interface)
    return c10d::ProcessGroupGloo::createDeviceForInterface(interface, /*lazyInit=*/false);
  if (host == "127.0.0.1" || host == "localhost")
    return c10d::ProcessGroupGloo::createDeviceForHostname("127.0.0.1", /*lazyInit=*/false);
  return c10d::ProcessGroupGloo::createDefaultDevice(/*lazyInit=*/false);
}

}  // namespace

c10::intrusive_ptr<c10d::Backend> MakeGloo(const BackendPlace& place) {
  auto options = c10d::ProcessGroupGloo::Options::create(place.timeout);
  options->devices.push_back(GlooDevice(place.host));
  return c10::make_intrusive<c10d::ProcessGroupGloo>(place.store, place.rank, place.world, options);
}

c10::intrusive_ptr<c10d::Backend> MakeNccl(const BackendPlace& place) {
#ifdef GENVINCI_CUDA
  // Options of another version have another size, and LibTorch would write past them.
  int version = 0;
  if (ncclGetVersion(&version) != ncclSuccess || version / 100 != NCCL_VERSION_CODE / 100)
    throw ConfigError("NCCL_VERSION",
                      "NCCL {} was found, this program was built with the header of {}: build it with the header that "
                      "LibTorch's own library has (docs/gpu.md)",
                      version, NCCL_VERSION_CODE);
  // Else its watchdog aborts this process when another rank is gone, before the rank watch can say which.
  ::setenv("TORCH_NCCL_ASYNC_ERROR_HANDLING", "0", /*overwrite=*/0);
  auto options = c10d::ProcessGroupNCCL::Options::create();
  options->timeout = place.timeout;
  return c10::make_intrusive<c10d::ProcessGroupNCCL>(place.store, place.rank, place.world, options);
#else
  GENVINCI_CHECK(false, "rank {}: this build has no CUDA", place.rank);
#endif
}

}  // namespace genvinci
