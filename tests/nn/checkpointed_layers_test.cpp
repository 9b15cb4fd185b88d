#include "genvinci/nn/checkpointed_layers.h"

#include <gtest/gtest.h>

#include "genvinci/tensor/autocast.h"

namespace genvinci {
namespace checkpointed_layers_test {

// Two layers with drop-out between; counts how often a layer runs.
class TwoLayersImpl : public torch::nn::Module, public CheckpointedLayers {
 public:
  TwoLayersImpl() {
    at::manual_seed(1);
    first_ = register_module("first", torch::nn::Linear(6, 8));
    second_ = register_module("second", torch::nn::Linear(8, 4));
    unused_ = second_->register_parameter("unused", torch::ones({2}));
    frozen_ = first_->register_parameter("frozen", torch::ones({8}), /*requires_grad=*/false);
  }
  torch::Tensor forward(const torch::Tensor& x, const torch::Tensor& shift) {
    const torch::Tensor h = RunLayer(*first_, {x, shift}, [this](const auto& inputs) {
      ++runs;
      return torch::dropout(torch::tanh(first_(inputs[0])) * frozen_ + inputs[1], 0.4, /*train=*/true);
    });
    return RunLayer(*second_, {h, {}}, [this](const auto& inputs) {
      ++runs;
      return second_(inputs[0]);
    });
  }
  int runs = 0;

 private:
  torch::nn::Linear first_{nullptr}, second_{nullptr};
  torch::Tensor unused_, frozen_;
};
TORCH_MODULE(TwoLayers);

struct Result {
  torch::Tensor y;
  std::vector<torch::Tensor> gradients;
  torch::Tensor next;  // of the default generator after all
  int runs;
};

Result Backpropagated(bool checkpoints, const std::string& precision = "fp32") {
  TwoLayers model;
  SetGradientCheckpointing(*model, checkpoints);
  const torch::Tensor x = torch::linspace(-1, 1, 30).view({5, 6}).requires_grad_();
  const torch::Tensor shift = torch::full({8}, 0.3, torch::requires_grad());
  at::manual_seed(7);
  torch::Tensor y;
  {
    const Autocast autocast(torch::kCPU, precision);
    y = model(x, shift);
  }
  y.to(torch::kFloat32).square().sum().backward();
  Result result{y, {x.grad(), shift.grad()}, torch::rand({3}), model->runs};
  for (const auto& parameter : model->parameters()) result.gradients.push_back(parameter.grad());
  return result;
}

TEST(CheckpointedLayers, GivesTheSameBitsAndRunsTwice) {
  for (const char* precision : {"fp32", "bf16"}) {
    const Result plain = Backpropagated(false, precision), checkpointed = Backpropagated(true, precision);
    EXPECT_EQ(plain.runs, 2);
    EXPECT_EQ(checkpointed.runs, 4);
    EXPECT_TRUE(plain.y.equal(checkpointed.y));
    EXPECT_TRUE(plain.next.equal(checkpointed.next));
    ASSERT_EQ(plain.gradients.size(), checkpointed.gradients.size());
    for (size_t i = 0; i < plain.gradients.size(); ++i) {
      ASSERT_EQ(plain.gradients[i].defined(), checkpointed.gradients[i].defined()) << i;
      if (!plain.gradients[i].defined()) continue;
      EXPECT_TRUE(plain.gradients[i].equal(checkpointed.gradients[i])) << i;
    }
  }
  EXPECT_EQ(Backpropagated(true, "bf16").y.scalar_type(), torch::kBFloat16);
}

TEST(CheckpointedLayers, AreOffInEvaluationAndWithoutGradients) {
  TwoLayers model;
  SetGradientCheckpointing(*model, true);
  model->eval();
  model(torch::ones({1, 6}), torch::ones({8})).sum().backward();
  EXPECT_EQ(model->runs, 2);
  model->train();
  const torch::NoGradGuard no_grad;
  model(torch::ones({1, 6}), torch::ones({8}));
  EXPECT_EQ(model->runs, 4);
}

}  // namespace checkpointed_layers_test
}  // namespace genvinci
