#include "genvinci/tensor/device.h"

#include <ATen/Context.h>

#include "genvinci/core/error.h"
#include "genvinci/core/text.h"

namespace genvinci {
namespace {

torch::Device OpenCuda(const std::string& name, int64_t index) {
  const int64_t count = torch::cuda::is_available() ? static_cast<int64_t>(torch::cuda::device_count()) : 0;
  if (count == 0) {
    throw ConfigError("DEVICE", "--device {}: there is no CUDA device or this build has no CUDA: use cpu or auto",
                      name);
  }
  if (index >= count) {
    throw ConfigError("DEVICE", "--device {}: there are {} CUDA devices: use cuda:0 to cuda:{}", name, count,
                      count - 1);
  }
  return torch::Device(torch::kCUDA, static_cast<c10::DeviceIndex>(index));
}

}  // namespace

torch::Device OpenDevice(const std::string& name) {
  if (name == "cpu") return torch::Device(torch::kCPU);
  if (name == "auto") return torch::cuda::is_available() ? OpenCuda(name, 0) : torch::Device(torch::kCPU);
  if (name == "cuda") return OpenCuda(name, 0);
  constexpr std::string_view kPrefix = "cuda:";
  int64_t index = -1;
  if (name.starts_with(kPrefix) && ParseInteger(std::string_view(name).substr(kPrefix.size()), index) && index >= 0) {
    return OpenCuda(name, index);
  }
  throw ConfigError("DEVICE", "--device {}: unknown: use cpu, cuda, cuda:N or auto", name);
}

torch::Tensor ToDevice(const torch::Tensor& tensor, torch::Device device) {
  if (!device.is_cuda() || !tensor.is_cpu()) return tensor.to(device);
  return tensor.pin_memory().to(device, tensor.scalar_type(), /*non_blocking=*/true);
}

void SetUpCompute(int64_t threads) {
  if (threads > 0) at::set_num_threads(static_cast<int>(threads));
  at::Context& context = at::globalContext();
  // A kernel without a deterministic twin (some on CUDA) warns once rather than ending the run.
  context.setDeterministicAlgorithms(/*b=*/true, /*warn_only=*/true);
  // Filling every fresh tensor would cost time and finds errors only.
  context.setDeterministicFillUninitializedMemory(/*b=*/false);
  context.setDeterministicCuDNN(/*b=*/true);
  context.setBenchmarkCuDNN(/*b=*/false);
}

}  // namespace genvinci
