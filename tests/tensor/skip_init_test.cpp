#include "genvinci/tensor/skip_init.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

namespace genvinci {
namespace skip_init_test {

TEST(SkipRandomInit, LeavesTensorsAlone) {
  torch::Tensor tensor = torch::full({5}, 3.0);
  {
    const SkipRandomInit skip;
    tensor.uniform_(0, 1);
    tensor.normal_(0, 1);
    EXPECT_TRUE(torch::equal(tensor, torch::full({5}, 3.0)));
    EXPECT_DOUBLE_EQ((tensor + 1).sum().item<double>(), 20);  // other operators work
  }
  tensor.uniform_(0, 1);
  EXPECT_LE(tensor.max().item<double>(), 1);
}

TEST(SkipRandomInit, MakesLayersAndGradientsAsEver) {
  torch::nn::Conv2d conv{nullptr};
  {
    const SkipRandomInit skip;
    conv = torch::nn::Conv2d(torch::nn::Conv2dOptions(2, 3, 3));
  }
  EXPECT_EQ(conv->weight.sizes(), torch::IntArrayRef({3, 2, 3, 3}));
  {
    const torch::NoGradGuard no_grad;
    conv->weight.fill_(1);
    conv->bias.fill_(0);
  }
  conv(torch::ones({1, 2, 4, 4})).sum().backward();
  EXPECT_GT(conv->weight.grad().abs().sum().item<double>(), 0);
}

}  // namespace skip_init_test
}  // namespace genvinci
