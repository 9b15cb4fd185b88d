#include "genvinci/tensor/device.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include "genvinci/core/error.h"

namespace genvinci {
namespace {

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

TEST(SetUpCompute, SetsThreadsAndDeterminism) {
  const int before = at::get_num_threads();
  SetUpCompute(1);
  EXPECT_EQ(at::get_num_threads(), 1);
  EXPECT_TRUE(at::globalContext().deterministicAlgorithms());
  SetUpCompute(0);
  EXPECT_EQ(at::get_num_threads(), 1);
  SetUpCompute(before);
}

}  // namespace
}  // namespace genvinci
