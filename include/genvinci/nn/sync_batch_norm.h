#pragma once

#include <torch/torch.h>

#include "genvinci/tensor/batch_reducer.h"

namespace genvinci {

// Of a whole batch.
struct BatchStatistics {
  torch::Tensor mean_C, variance_C;  // biased; float64
  double count = 0;                  // values a channel
};

// Batch normalisation of (B, C) or (B, C, L) whose statistics in training are those of all ranks' batches together;
// parameters and buffers are named as torch's. On one rank alone, and in evaluation, it is torch's.
class SyncBatchNormImpl : public torch::nn::BatchNorm1dImpl {
 public:
  using torch::nn::BatchNorm1dImpl::BatchNorm1dImpl;

  torch::Tensor forward(const torch::Tensor& values);

  // Whether the next batch is normalised together with those of other ranks.
  bool is_shared() const { return is_training() && ranks_ && ranks_->world() > 1; }
  // For a network's extra inputs: by the formula below on one rank too, as torch's float32 loses digits where a mean is
  // many times its deviation; and one observation alone, which has no statistics of its own, by the running ones.
  void Standardise() { standardises_ = true; }
  // Whose batches count; null: this rank's alone.
  void SetRanks(BatchReducer* ranks) { ranks_ = ranks; }
  // 0 where this rank has nothing in the batch and only keeps step with the others, else 1.
  void SetShare(double share) { share_ = share; }

 private:
  void Track(const BatchStatistics& batch);

  BatchReducer* ranks_ = nullptr;
  double share_ = 1;
  bool standardises_ = false;
};
TORCH_MODULE(SyncBatchNorm);

// Of every such layer in `module`.
void SynchroniseBatchNorm(torch::nn::Module& module, BatchReducer& ranks);
void SetBatchNormShare(torch::nn::Module& module, double share);

// The normalisation itself, with its own backward pass (Ioffe and Szegedy 2015, over all ranks). Sums are taken in
// float64; a rank's mean and squared deviations are merged as in Chan, Golub and LeVeque 1979, so that nothing cancels.
// Weight, bias (which may be undefined) and eps are the layer's.
BatchStatistics StatisticsOverRanks(const torch::Tensor& values, BatchReducer& ranks, double share = 1);
torch::Tensor NormaliseOverRanks(const torch::Tensor& values, const BatchStatistics& batch,
                                 const torch::nn::BatchNorm1dImpl& layer, BatchReducer& ranks, double share = 1);

}  // namespace genvinci
