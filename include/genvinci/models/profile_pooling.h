#pragma once

#include <torch/torch.h>

#include "genvinci/nn/sync_batch_norm.h"

namespace genvinci {

// Zero mean and unit variance over profiles, of each value. What all profiles share is many times what tells them
// apart; without this a network learns to ignore the genes. One profile has no statistics of its own: the running ones
// serve.
class StandardiseImpl : public torch::nn::Module {
 public:
  explicit StandardiseImpl(int64_t width);
  torch::Tensor forward(const torch::Tensor& values_BF);

 private:
  SyncBatchNorm statistics_{nullptr};
};
TORCH_MODULE(Standardise);

// A profile as one vector: the mean of its hidden states and a learned weighting of them, standardised, then a
// perceptron of one hidden layer. Padding changes nothing.
class ProfilePoolingImpl : public torch::nn::Module {
 public:
  ProfilePoolingImpl(int64_t hidden, int64_t out);

  // hidden_BLD: the transformer's last hidden state; tokens_BL: its input (0 = <pad>). Returns (B, out).
  torch::Tensor forward(const torch::Tensor& hidden_BLD, const torch::Tensor& tokens_BL);

 private:
  torch::nn::Linear score_{nullptr}, in_{nullptr}, out_{nullptr};
  Standardise standardise_{nullptr};
};
TORCH_MODULE(ProfilePooling);

}  // namespace genvinci
