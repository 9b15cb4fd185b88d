#pragma once

#include <chrono>
#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <torch/csrc/distributed/c10d/Store.hpp>

namespace genvinci {

struct BackendPlace {
  c10::intrusive_ptr<c10d::Store> store;
  int rank, world;
  std::string host;  // of the store
  std::chrono::milliseconds timeout;
};

c10::intrusive_ptr<c10d::Backend> MakeGloo(const BackendPlace& place);
// InternalError in a build without CUDA.
c10::intrusive_ptr<c10d::Backend> MakeNccl(const BackendPlace& place);

}  // namespace genvinci
