#include <gtest/gtest.h>

#include "genvinci/data/patch_store.h"
#include "genvinci/io/safetensors.h"
#include "genvinci/tensor/convert.h"
#include "genvinci/training/engine/adamw.h"
#include "genvinci/training/feeds/gene_tokens.h"
#include "genvinci/training/tasks/finetune_loss.h"

namespace genvinci {
namespace finetune_step_test {

// A narrow model of the reference, and one step of it in PyTorch: scripts/golden/finetune_step.py.
class FinetuneStep : public testing::Test {
 protected:
  FinetuneStep() : file_(GENVINCI_SOURCE_DIR "/tests/training/data/finetune_step.safetensors"), pipeline_(Config()) {
    const torch::NoGradGuard no_grad;
    for (const auto& [name, tensor] : StateOf(*pipeline_, "")) {
      if (file_.Has("before." + name)) torch::Tensor(tensor).copy_(Get("before." + name));
    }
    Freeze(*pipeline_->autoencoder);
  }

  static PipelineConfig Config() {
    PipelineConfig config;
    config.models.transformer = {.vocabulary_size = 30,
                                 .hidden = 16,
                                 .layers = 1,
                                 .heads = 2,
                                 .feed_forward = 20,
                                 .max_tokens = 12,
                                 .dropout = 0};
    config.models.conditioner = {
        .kind = "genvinci", .context_tokens = 6, .context_dim = 12, .time_dim = 32, .semantic_dim = 10};
    config.models.autoencoder.base_channels = 8;
    config.models.autoencoder.channel_mult = {1, 2};
    config.models.autoencoder.res_blocks = 1;
    config.models.unet.model_channels = 8;
    config.models.unet.channel_mult = {1, 2};
    config.models.unet.res_blocks = 1;
    config.models.unet.attention_downsamples = {2};
    config.models.unet.heads = 2;
    config.models.unet.context_dim = 12;
    config.img_size = 16;
    config.channels = {"red", "green", "blue"};
    return config;
  }

  torch::Tensor Get(const std::string& name) const { return ToTensor(file_.View(name)); }

  NamedTensors Trained() {
    NamedTensors trained;
    for (const auto& item : pipeline_->named_parameters()) {
      // The head and the null condition take no part in the step.
      if (item.value().requires_grad() && file_.Has("grad." + item.key()))
        trained.emplace_back(item.key(), item.value());
    }
    return trained;
  }

  StepLoss Loss() {
    pipeline_->train();
    const DiagonalGaussian posterior = pipeline_->autoencoder->Encode(Get("images"));
    const torch::Tensor latents = pipeline_->Normalise(posterior.Sample(Get("posterior_noise")));
    return FinetuneLoss(*pipeline_, pipeline_->Encode(Get("tokens")),
                        {latents, Get("noise"), Get("timesteps"), Get("image_embedding")}, /*semantic_weight=*/1);
  }

  // The largest difference, relative to the largest value.
  static double Difference(const torch::Tensor& ours, const torch::Tensor& theirs) {
    EXPECT_EQ(ours.sizes(), theirs.sizes());
    const double largest = theirs.abs().max().item<double>();
    return (ours.detach() - theirs).abs().max().item<double>() / std::max(largest, 1e-12);
  }

  // What flows into a bias before a normalisation over it cancels, so of some gradients rounding is all that is left.
  // They are told from the others by this share of the largest.
  static constexpr double kNothing = 1e-4;
  double LargestGradient() {
    double largest = 0;
    for (const auto& [name, parameter] : Trained())
      largest = std::max(largest, Get("grad." + name).abs().max().item<double>());
    return largest;
  }

  SafetensorsFile file_;
  Pipeline pipeline_;
};

TEST_F(FinetuneStep, EveryTensorOfPythonsIsOurs) {
  int64_t there = 0, ours = 0;
  for (const auto& [name, tensor] : StateOf(*pipeline_, "")) ours += file_.Has("before." + name) ? 1 : 0;
  for (const std::string& name : file_.names())
    there += name.starts_with("before.") && !name.ends_with("num_batches_tracked") && !name.ends_with("position_ids");
  EXPECT_GE(ours, there);
  int64_t gradients = 0;
  for (const std::string& name : file_.names()) gradients += name.starts_with("grad.");
  EXPECT_EQ(static_cast<int64_t>(Trained().size()), gradients);
}

TEST_F(FinetuneStep, LossesAndEveryGradientArePythons) {
  const StepLoss step = Loss();
  ASSERT_EQ(step.parts.size(), 2U);
  EXPECT_LT(Difference(step.parts[0].second, Get("diffusion_loss")), 1e-4);
  EXPECT_LT(Difference(step.parts[1].second, Get("semantic_loss")), 1e-4);
  EXPECT_LT(Difference(step.loss, Get("diffusion_loss") + Get("semantic_loss")), 1e-4);
  step.loss.backward();
  const double largest = LargestGradient();
  for (const auto& [name, parameter] : Trained()) {
    ASSERT_TRUE(parameter.grad().defined()) << name;
    const torch::Tensor theirs = Get("grad." + name);
    const double scale = std::max(theirs.abs().max().item<double>(), kNothing * largest);
    EXPECT_LT((parameter.grad() - theirs).abs().max().item<double>(), 1e-3 * scale) << name;
  }
}

TEST_F(FinetuneStep, UpdatedWeightsArePythons) {
  AdamW optimizer(Trained(), {.weight_decay = 0.001});
  Loss().loss.backward();
  const double norm = optimizer.GradientNorm();
  EXPECT_LT(std::abs(norm / Get("norm").item<double>() - 1), 1e-4);
  optimizer.ClipGradients(norm, 0.5);
  optimizer.Step(0.01);
  // Adam's first step is the learning rate times the gradient's sign: where the gradient is rounding alone, chance.
  const double smallest = kNothing * LargestGradient();
  int64_t compared = 0, all = 0;
  for (const auto& [name, parameter] : StateOf(*pipeline_, "")) {
    if (!file_.Has("after." + name)) continue;
    const torch::Tensor theirs = Get("after." + name);
    const torch::Tensor counts =
        file_.Has("grad." + name) ? Get("grad." + name).abs() > smallest : torch::ones_like(theirs, torch::kBool);
    const double difference = ((parameter - theirs) * counts).abs().max().item<double>();
    EXPECT_LT(difference, 1e-3 * theirs.abs().max().item<double>()) << name;
    compared += counts.sum().item<int64_t>();
    all += theirs.numel();
  }
  EXPECT_GT(static_cast<double>(compared), 0.9 * static_cast<double>(all));
}

}  // namespace finetune_step_test
}  // namespace genvinci
