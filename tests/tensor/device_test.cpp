#include "genvinci/tensor/device.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include "genvinci/core/error.h"
#include "testing/gpu.h"

namespace genvinci {
namespace device_test {

TEST(OpenDevice, KnowsTheCpu) {
  EXPECT_TRUE(OpenDevice("cpu").is_cpu());
  EXPECT_EQ(OpenDevice("auto").is_cuda(), torch::cuda::is_available());
}

TEST(OpenDevice, RefusesWhatIsNotThere) {
  for (const char* name : {"", "gpu", "cuda:", "cuda:-1", "cuda:x", "cuda:1000", "CPU"}) {
    try {
      OpenDevice(name);
      ADD_FAILURE() << name << " was accepted";
    } catch (const ConfigError& error) {
      EXPECT_EQ(error.name(), "DEVICE");
    }
  }
}

TEST(ToDevice, LeavesAloneWhatIsThere) {
  const torch::Tensor values = torch::arange(6).view({2, 3});
  EXPECT_TRUE(ToDevice(values, torch::kCPU).is_same(values));
  EXPECT_TRUE(ToDevice(values, torch::kMeta).is_meta());
}

TEST(GpuToDevice, CopiesThereAndBack) {
  GENVINCI_NEEDS_GPU();
  // Large, and given up at once: the copy must not read memory that went to somebody else.
  torch::Tensor expected = torch::arange(1 << 22), there;
  {
    const torch::Tensor values = expected.clone();
    there = ToDevice(values, torch::kCUDA);
  }
  const torch::Tensor other = ToDevice(torch::zeros({1 << 22}, torch::kInt64), torch::kCUDA);
  EXPECT_TRUE(there.is_cuda());
  EXPECT_TRUE(torch::equal(there.cpu(), expected));
  EXPECT_TRUE(ToDevice(there, torch::kCUDA).is_same(there));
  EXPECT_EQ(other.sum().item<int64_t>(), 0);
  const torch::Tensor strided = expected.view({2048, 2048}).t();
  EXPECT_TRUE(torch::equal(ToDevice(strided, torch::kCUDA).cpu(), strided));
}

TEST(SetUpCompute, SetsThreadsAndDeterminism) {
  const int before = at::get_num_threads();
  SetUpCompute(1);
  EXPECT_EQ(at::get_num_threads(), 1);
  EXPECT_TRUE(at::globalContext().deterministicAlgorithms());
  SetUpCompute(0);
  EXPECT_EQ(at::get_num_threads(), 1);
  SetUpCompute(before);
}

}  // namespace device_test
}  // namespace genvinci
