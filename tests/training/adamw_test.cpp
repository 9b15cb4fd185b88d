#include "genvinci/training/engine/adamw.h"

#include <gtest/gtest.h>

#include "core/temp_folder.h"
#include "testing/gpu.h"

namespace genvinci {
namespace adamw_test {

NamedTensors MakeParameters() {
  at::manual_seed(3);
  const auto like_conv = torch::rand({6, 5, 3, 3}).contiguous(torch::MemoryFormat::ChannelsLast);
  NamedTensors parameters = {{"weight", torch::rand({7, 4})},
                             {"bias", torch::rand({7})},
                             {"conv", like_conv},
                             {"unused", torch::rand({3, 3})}};
  for (auto& [name, parameter] : parameters) parameter.set_requires_grad(true);
  return parameters;
}

NamedTensors CopyOf(const NamedTensors& parameters) {
  NamedTensors copies;
  for (const auto& [name, parameter] : parameters)
    copies.emplace_back(name, parameter.detach().clone().set_requires_grad(true));
  return copies;
}

// A loss whose gradients change from step to step.
void Backward(const NamedTensors& parameters, int step) {
  torch::Tensor loss = torch::zeros({});
  for (const auto& [name, parameter] : parameters) {
    if (name != "unused") loss = loss + (parameter * (1 + step)).sin().sum() + parameter.square().sum();
  }
  loss.backward();
}

TEST(AdamW, EqualsTorchs) {
  const NamedTensors ours = MakeParameters(), theirs = CopyOf(ours);
  AdamW optimizer(ours, {.weight_decay = 0.1});
  const auto options = [](double decay) {
    return std::make_unique<torch::optim::AdamWOptions>(torch::optim::AdamWOptions(1e-2).weight_decay(decay));
  };
  std::vector<torch::optim::OptimizerParamGroup> groups;
  groups.emplace_back(std::vector<torch::Tensor>{theirs[0].second, theirs[2].second, theirs[3].second}, options(0.1));
  groups.emplace_back(std::vector<torch::Tensor>{theirs[1].second}, options(0));
  torch::optim::AdamW reference(groups, torch::optim::AdamWOptions(1e-2));
  for (int step = 0; step < 20; ++step) {
    optimizer.ZeroGrad();
    reference.zero_grad();
    Backward(ours, step);
    Backward(theirs, step);
    optimizer.Step(1e-2);
    reference.step();
  }
  for (size_t i = 0; i < ours.size(); ++i)
    EXPECT_TRUE(ours[i].second.allclose(theirs[i].second, 1e-5, 1e-6)) << ours[i].first;
  EXPECT_FALSE(ours[0].second.equal(MakeParameters()[0].second));
  EXPECT_TRUE(ours[3].second.equal(MakeParameters()[3].second));  // no gradient: neither moved nor decayed
}

TEST(AdamW, GoesOnFromItsStateBitForBit) {
  const TempFolder folder;
  const NamedTensors straight = MakeParameters(), cut = CopyOf(straight);
  AdamW whole(straight, {});
  auto part = std::make_unique<AdamW>(cut, AdamWOptions{});
  for (int step = 0; step < 6; ++step) {
    whole.ZeroGrad();
    part->ZeroGrad();
    Backward(straight, step);
    Backward(cut, step);
    whole.Step(1e-2);
    part->Step(1e-2);
    WriteTensors(folder / "o.safetensors", part->State());
    part = std::make_unique<AdamW>(cut, AdamWOptions{});
    part->Load(SafetensorsFile(folder / "o.safetensors"), folder / "o.safetensors");
  }
  for (size_t i = 0; i < cut.size(); ++i) EXPECT_TRUE(cut[i].second.equal(straight[i].second)) << cut[i].first;
  NamedTensors fewer(cut.begin(), cut.begin() + 2);
  AdamW other(fewer, {});
  CatchError("CKPT_TENSORS", [&] { other.Load(SafetensorsFile(folder / "o.safetensors"), "o"); });
}

TEST(AdamW, ClipsAsTorchDoes) {
  const NamedTensors ours = MakeParameters(), theirs = CopyOf(ours);
  AdamW optimizer(ours, {});
  Backward(ours, 0);
  Backward(theirs, 0);
  std::vector<torch::Tensor> list;
  for (const auto& [name, parameter] : theirs) list.push_back(parameter);
  const double norm = torch::nn::utils::clip_grad_norm_(list, 0.5);
  EXPECT_NEAR(optimizer.GradientNorm(), norm, 1e-4);
  optimizer.ClipGradients(norm, 0);
  EXPECT_NEAR(optimizer.GradientNorm(), norm, 1e-4);
  optimizer.ClipGradients(norm, 0.5);
  for (size_t i = 0; i < 3; ++i) EXPECT_TRUE(ours[i].second.grad().allclose(theirs[i].second.grad(), 1e-5, 1e-7));
  EXPECT_NEAR(optimizer.GradientNorm(), 0.5, 1e-4);
}

TEST(GpuAdamW, StepsAsOnTheCpu) {
  GENVINCI_NEEDS_GPU();
  const NamedTensors here = MakeParameters();
  NamedTensors there;
  for (const auto& [name, parameter] : here)
    there.emplace_back(name, parameter.detach().to(torch::kCUDA).set_requires_grad(true));
  AdamW on_cpu(here, {}), on_gpu(there, {});
  for (int step = 0; step < 6; ++step) {
    on_cpu.ZeroGrad();
    Backward(here, step);
    for (size_t i = 0; i < here.size(); ++i) {
      const torch::Tensor gradient = here[i].second.grad();
      torch::Tensor(there[i].second).mutable_grad() = gradient.defined() ? gradient.to(torch::kCUDA) : gradient;
    }
    EXPECT_NEAR(on_gpu.GradientNorm(), on_cpu.GradientNorm(), 1e-4);
    on_cpu.Step(1e-2);
    on_gpu.Step(1e-2);
  }
  for (size_t i = 0; i < here.size(); ++i)
    EXPECT_TRUE(there[i].second.cpu().allclose(here[i].second, 1e-5, 1e-6)) << here[i].first;
}

}  // namespace adamw_test
}  // namespace genvinci
