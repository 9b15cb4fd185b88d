#pragma once

#include <gtest/gtest.h>
#include <torch/torch.h>

// The first line of a test that needs a GPU.
#define GENVINCI_NEEDS_GPU() \
  if (!torch::cuda::is_available()) GTEST_SKIP() << "no CUDA device"
