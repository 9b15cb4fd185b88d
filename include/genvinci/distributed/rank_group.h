#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "genvinci/core/json.h"
#include "genvinci/core/run_folder.h"
#include "genvinci/launch/rank_environment.h"
#include "genvinci/tensor/batch_reducer.h"

namespace genvinci {

// The processes that train one model together. Tensors on the CPU go through Gloo, those on a CUDA device through NCCL.
// Every rank makes the same calls in the same order.
//
// Each rank tells the others four times a second that it lives. A call that cannot be completed is a RankError (exit
// 71) that names the rank that is at fault, its host and its step: RANK_DEAD, RANK_HUNG (for rank_timeout seconds it
// has not answered, or not begun a call that others wait in), RANK_FAILED (with what it said last), RANK_STORE (who
// serves the store is gone). A rank that does not come out of such a call, or is busy elsewhere, ends two seconds later
// with that line and exit code 71. Time for which all ranks were stopped does not count.
class RankGroup : public BatchReducer {
 public:
  // One process alone: nothing is sent.
  explicit RankGroup(const torch::Device& device = torch::kCPU);
  // Meets the others. RankError RANK_MISSING names those that did not come within init_timeout.
  RankGroup(const RankEnvironment& environment, const RankOptions& options, const torch::Device& device);
  ~RankGroup() override;
  RankGroup(const RankGroup&) = delete;
  RankGroup& operator=(const RankGroup&) = delete;

  int rank() const { return environment_.rank; }
  int world() const override { return environment_.world; }
  bool is_main() const { return rank() == 0; }
  const torch::Device& device() const { return device_; }  // this rank's
  const RankEnvironment& environment() const { return environment_; }

  // This rank's run, first to end - 1, of n items that the ranks share out in their order.
  struct Share {
    int64_t first, end;
    int64_t size() const { return end - first; }
  };
  Share ShareOf(int64_t n) const { return {n * rank() / world(), n * (rank() + 1) / world()}; }

  // In place, on every rank alike to the last bit. Contiguous tensors.
  void Sum(torch::Tensor& values) override;
  void Max(torch::Tensor& values);
  void Broadcast(torch::Tensor& values, int from = 0);
  std::vector<double> Sum(std::vector<double> values);
  std::string Broadcast(const std::string& text);  // the main rank's
  Json Broadcast(const Json& json);
  // (W, ...): each rank's, which all have one shape.
  torch::Tensor Gather(const torch::Tensor& values) override;
  // (N, ...): the rows of all ranks, those of rank 0 first; each may have any number of them.
  torch::Tensor GatherRows(const torch::Tensor& rows);

  // One that goes on while this rank computes; `values` must live and stay alone until Wait.
  class Pending {
   public:
    explicit Pending(std::function<void()> wait = {}) : wait_(std::move(wait)) {}
    void Wait();

   private:
    std::function<void()> wait_;
  };
  Pending SumAsync(torch::Tensor& values) { return ReduceAsync(values, Reduction::kSum); }
  Pending MaxAsync(torch::Tensor& values) { return ReduceAsync(values, Reduction::kMax); }

  // Waits for all, however long one of them works. A signal does not end it: ranks that saved because of one meet here.
  void Barrier();
  // The main rank's work; the others wait for it.
  void OnMain(const std::function<void()>& work);
  // The same before the others do it too, so that they find what was written to disk.
  void MainFirst(const std::function<void()>& work);

  // Interrupted on every rank where a signal has come to any; all ask together. `saved` is what it says.
  void ThrowIfAnyStopped(const char* saved);

  // For who watches: the step at work, and the run's folder.
  void SetStep(int64_t step);
  void SetRun(const std::string& path);
  // The last words of this rank, which fails, or leaves because of a signal; the others hear them.
  void SayFailed(const std::string& line);
  void SayStopped(int signal);

 private:
  struct Parts;
  enum class Reduction { kSum, kMax };
  Pending ReduceAsync(torch::Tensor& values, Reduction reduction);
  void MakeBackends(const RankOptions& options);
  void Leave();
  template <typename Start>
  Pending Begin(Start start);
  template <typename Call>
  void Guarded(Call call);

  RankEnvironment environment_;
  torch::Device device_;
  std::unique_ptr<Parts> parts_;  // none: alone
};

// Runs `work` among the ranks that this process was started with, on the device that is this rank's. Ranks of one
// machine share its processors out, and the main rank alone writes to stderr. What `work` throws, the others are told.
Json WithRanks(const RankOptions& options, const CommonOptions& common, const std::function<Json(RankGroup&)>& work);

}  // namespace genvinci
