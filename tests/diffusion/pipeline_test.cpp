#include "genvinci/diffusion/pipeline.h"

#include <ATen/Context.h>
#include <ATen/record_function.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "genvinci/core/error.h"
#include "testing/gpu.h"
#include "testing/tokens_for.h"

namespace genvinci {
namespace pipeline_test {

PipelineConfig TinyConfig() {
  PipelineConfig config;
  config.models.transformer = {.vocabulary_size = 32,
                               .hidden = 16,
                               .layers = 1,
                               .heads = 2,
                               .feed_forward = 16,
                               .max_tokens = 8,
                               .dropout = 0.5};
  config.models.conditioner = {.kind = "pooled", .context_tokens = 4, .context_dim = 16, .time_dim = 32};
  config.models.autoencoder.base_channels = 8;
  config.models.autoencoder.channel_mult = {1, 2};
  config.models.autoencoder.res_blocks = 1;
  config.models.unet.model_channels = 8;
  config.models.unet.channel_mult = {1, 2};
  config.models.unet.res_blocks = 1;
  config.models.unet.attention_downsamples = {2};
  config.models.unet.heads = 2;
  config.models.unet.context_dim = 16;
  config.models.unet.dropout = 0.5;
  config.img_size = 16;
  config.channels = {"red", "green", "blue"};
  config.condition_dropout = 0.1;
  return config;
}

// Zero-initialised layers would hide the condition, so every parameter gets noise.
Pipeline TinyPipeline(const PipelineConfig& config = TinyConfig()) {
  torch::manual_seed(1);
  Pipeline pipeline(config);
  const torch::NoGradGuard no_grad;
  for (torch::Tensor& parameter : pipeline->parameters()) parameter.add_(0.1 * torch::randn_like(parameter));
  return pipeline;
}

std::vector<std::vector<int32_t>> Profiles(int64_t count) {
  std::vector<std::vector<int32_t>> profiles;
  for (int64_t i = 0; i < count; ++i) {
    profiles.emplace_back();
    for (int32_t k = 0; k < 1 + i % 5; ++k) profiles.back().push_back(2 + (static_cast<int32_t>(i) * 7 + k) % 30);
  }
  return profiles;
}

std::vector<SampleKey> Keys(int64_t count) {
  std::vector<SampleKey> keys;
  for (int64_t i = 0; i < count; ++i) keys.push_back({.seed = 5, .observation = i, .sample = i % 2});
  return keys;
}

// Draws for eight profiles, `batch` at once.
torch::Tensor Draw(Pipeline& pipeline, const SamplerOptions& options, int64_t batch) {
  const auto profiles = Profiles(8);
  const auto keys = Keys(8);
  pipeline->eval();
  const torch::NoGradGuard no_grad;
  std::vector<torch::Tensor> parts;
  for (int64_t first = 0; first < 8; first += batch) {
    const int64_t end = std::min<int64_t>(first + batch, 8);
    const Condition condition =
        pipeline->Encode(TokensFor(pipeline, {profiles.begin() + first, profiles.begin() + end}));
    parts.push_back(pipeline->Sample(condition, {keys.begin() + first, keys.begin() + end}, options));
  }
  return torch::cat(parts);
}

SamplerOptions FewSteps() {
  SamplerOptions options;
  options.steps = 4;
  return options;
}

TEST(Pipeline, DrawsTheSameAtAnyBatchSize) {
  Pipeline pipeline = TinyPipeline();
  for (const double guidance : {1.0, 2.5}) {
    SamplerOptions options = FewSteps();
    options.eta = 0.5;
    options.guidance = guidance;
    const torch::Tensor eight = Draw(pipeline, options, 8);
    EXPECT_GT(eight.std().item<double>(), 0.1);
    EXPECT_TRUE(torch::equal(eight, Draw(pipeline, options, 8)));
    for (const int64_t batch : {1, 3}) {
      EXPECT_LT((Draw(pipeline, options, batch) - eight).abs().max().item<double>(), 1e-4) << batch;
    }
  }
}

TEST(Pipeline, SamplesInEvalModeWithoutGradients) {
  Pipeline pipeline = TinyPipeline();
  const torch::Tensor expected = Draw(pipeline, FewSteps(), 8);
  Condition condition;
  {
    const torch::NoGradGuard no_grad;
    pipeline->eval();
    condition = pipeline->Encode(TokensFor(pipeline, Profiles(8)));
  }
  pipeline->train();
  const torch::Tensor drawn = pipeline->Sample(condition, Keys(8), FewSteps());
  EXPECT_TRUE(torch::equal(drawn, expected));
  EXPECT_FALSE(drawn.requires_grad());
  EXPECT_TRUE(pipeline->is_training());
}

TEST(Pipeline, StartNoiseDependsOnItsKeyAlone) {
  Pipeline pipeline = TinyPipeline();
  const torch::Tensor one = pipeline->StartNoise({{.seed = 1, .observation = 2, .sample = 3}});
  const torch::Tensor many = pipeline->StartNoise(
      {{.seed = 1, .observation = 2, .sample = 0}, {.seed = 1, .observation = 2, .sample = 3}, {.seed = 2}});
  EXPECT_TRUE(torch::equal(one[0], many[1]));
  EXPECT_FALSE(torch::allclose(many[0], many[1]));
  EXPECT_EQ(one.sizes().vec(), (std::vector<int64_t>{1, 4, 8, 8}));
}

TEST(Pipeline, GuidanceMixesBothPredictions) {
  Pipeline pipeline = TinyPipeline();
  const torch::NoGradGuard no_grad;
  pipeline->eval();
  const Condition condition = pipeline->Encode(TokensFor(pipeline, Profiles(1)));
  const auto keys = Keys(1);
  SamplerOptions options;
  options.steps = 1;  // one step is linear in the prediction
  options.guidance = 3;
  const torch::Tensor guided = pipeline->Sample(condition, keys, options);
  options.guidance = 1;
  const torch::Tensor conditional = pipeline->Sample(condition, keys, options);
  const torch::Tensor unconditional = pipeline->Sample(pipeline->Null(1), keys, options);
  EXPECT_GT((conditional - unconditional).abs().max().item<double>(), 1e-4);
  EXPECT_TRUE(torch::allclose(guided, unconditional + 3 * (conditional - unconditional), 1e-4, 1e-5));
}

TEST(Pipeline, TwoConditionsAreGuidedEachByItsScale) {
  PipelineConfig config = TinyConfig();
  config.models.second = {.neighbours = 2, .neighbour_dim = 5, .vector_dim = 3};
  config.second_dropout = 0.1;
  Pipeline pipeline = TinyPipeline(config);
  const torch::NoGradGuard no_grad;
  pipeline->eval();
  const torch::Tensor tokens_BL = TokensFor(pipeline, Profiles(2));
  const Condition both = pipeline->Read(
      {pipeline->transformer->forward(tokens_BL), tokens_BL},
      {torch::randn({2, 2, 5}), torch::randn({2, 2, 2}), torch::ones({2, 2}, torch::kBool), torch::randn({2, 3})});
  const Condition genes = pipeline->DropExtra(both, torch::tensor({true, true}));
  const Condition null = pipeline->Null(2);
  const auto keys = Keys(2);
  SamplerOptions options;
  options.steps = 1;  // one step is linear in the prediction
  const auto draw = [&](const Condition& condition) { return pipeline->Sample(condition, keys, options); };
  const torch::Tensor u = draw(null), c1 = draw(genes), c12 = draw(both);
  EXPECT_GT((c12 - c1).abs().max().item<double>(), 1e-4);
  options.guidance = 3;
  EXPECT_TRUE(torch::allclose(draw(both), u + 3 * (c12 - u), 1e-4, 1e-5));
  options.second_guidance = 1.5;
  EXPECT_TRUE(torch::allclose(draw(both), u + 3 * (c1 - u) + 1.5 * (c12 - c1), 1e-4, 1e-5));
  options.guidance = 1;
  EXPECT_TRUE(torch::allclose(draw(both), c1 + 1.5 * (c12 - c1), 1e-4, 1e-5));
}

// A rescale that all but does nothing takes the way of single operators.
TEST(Pipeline, DrawsTheSameInFusedSteps) {
  Pipeline pipeline = TinyPipeline();
  for (const char* sampler : {"ddim", "euler"}) {
    SamplerOptions options = FewSteps();
    options.sampler = sampler;
    options.guidance = 2.5;
    const torch::Tensor fused = Draw(pipeline, options, 8);
    options.guidance_rescale = 1e-12;
    EXPECT_LT((Draw(pipeline, options, 8) - fused).abs().max().item<double>(), 1e-4) << sampler;
  }
}

// A CUDA graph cannot hold a call that waits for a value.
TEST(Pipeline, TheUNetAsksForNoValues) {
  Pipeline pipeline = TinyPipeline();
  const torch::NoGradGuard no_grad;
  pipeline->eval();
  const Condition condition = pipeline->Null(2);
  static std::set<std::string> called;
  called.clear();
  const auto handle = at::addThreadLocalCallback(
      at::RecordFunctionCallback([](const at::RecordFunction& function) -> std::unique_ptr<at::ObserverContext> {
        called.insert(function.name());
        return nullptr;
      }));
  pipeline->denoiser->forward(torch::randn({2, 4, 8, 8}), torch::tensor({3.0F, 4.0F}), condition.context_BLD,
                              condition.time_BT);
  at::removeCallback(handle);
  EXPECT_EQ(called.count("aten::conv2d"), 1);
  EXPECT_EQ(called.count("aten::scaled_dot_product_attention"), 1);
  for (const char* name : {"aten::item", "aten::_local_scalar_dense", "aten::nonzero", "aten::is_nonzero"})
    EXPECT_EQ(called.count(name), 0) << name;
}

TEST(GpuPipeline, DrawsTheSameFromACapturedUNet) {
  GENVINCI_NEEDS_GPU();
  // Ten bits of mantissa would hide what is compared.
  at::globalContext().setAllowTF32CuDNN(false);
  Pipeline pipeline = TinyPipeline();
  const SamplerOptions unguided = FewSteps();
  const torch::Tensor on_cpu = Draw(pipeline, unguided, 8);
  pipeline->to(torch::kCUDA);
  EXPECT_LT((Draw(pipeline, unguided, 8).cpu() - on_cpu).abs().max().item<double>(), 1e-3);
  // PLMS keeps predictions from step to step.
  for (const char* sampler : {"ddim", "plms", "euler", "dpmsolver++"}) {
    for (const double guidance : {1.0, 2.5}) {
      SamplerOptions options = FewSteps();
      options.sampler = sampler;
      options.guidance = guidance;
      pipeline->capture_denoiser = true;
      const torch::Tensor captured = Draw(pipeline, options, 8);
      pipeline->capture_denoiser = false;
      EXPECT_LT((Draw(pipeline, options, 8) - captured).abs().max().item<double>(), 1e-4) << sampler << guidance;
    }
  }
}

TEST(Pipeline, RefusesGuidanceWithoutANullCondition) {
  PipelineConfig config = TinyConfig();
  config.condition_dropout = 0;
  Pipeline pipeline = TinyPipeline(config);
  SamplerOptions options = FewSteps();
  EXPECT_NO_THROW(Draw(pipeline, options, 8));
  options.guidance = 2;
  EXPECT_THROW(Draw(pipeline, options, 8), ConfigError);
}

TEST(Pipeline, DropsWholeObservations) {
  Pipeline pipeline = TinyPipeline();
  const torch::NoGradGuard no_grad;
  pipeline->eval();
  const Condition full = pipeline->Encode(TokensFor(pipeline, Profiles(2)));
  const Condition dropped = pipeline->Drop(full, torch::tensor({true, false}));
  EXPECT_TRUE(torch::equal(dropped.context_BLD[0], pipeline->null_context));
  EXPECT_TRUE(torch::equal(dropped.time_BT[0], pipeline->null_time));
  EXPECT_TRUE(torch::equal(dropped.context_BLD[1], full.context_BLD[1]));
  EXPECT_TRUE(torch::equal(dropped.time_BT[1], full.time_BT[1]));
}

TEST(Pipeline, NormalisesAndBack) {
  Pipeline pipeline = TinyPipeline();
  pipeline->latent_mean.copy_(torch::tensor({1.0, -2.0, 0.5, 0.0}));
  pipeline->latent_scale.copy_(torch::tensor({0.5, 2.0, 1.0, 4.0}));
  const torch::Tensor latents = torch::randn({2, 4, 8, 8});
  const torch::Tensor normalised = pipeline->Normalise(latents);
  EXPECT_TRUE(torch::allclose(normalised.select(1, 1), (latents.select(1, 1) + 2) * 2));
  EXPECT_TRUE(torch::allclose(pipeline->Denormalise(normalised), latents, 1e-5, 1e-6));
}

TEST(Pipeline, DecodesClampedImages) {
  Pipeline pipeline = TinyPipeline();
  const torch::Tensor images = pipeline->DecodeImages(10 * torch::randn({2, 4, 8, 8}));
  EXPECT_EQ(images.sizes().vec(), (std::vector<int64_t>{2, 3, 16, 16}));
  EXPECT_LE(images.abs().max().item<double>(), 1);
}

TEST(Pipeline, LossIsPerObservationAndReachesTheTransformer) {
  Pipeline pipeline = TinyPipeline();
  pipeline->eval();
  const torch::Tensor latents = torch::randn({2, 4, 8, 8}), noise = torch::randn({2, 4, 8, 8});
  const torch::Tensor times = torch::tensor({10, 900});
  const Condition condition = pipeline->Encode(TokensFor(pipeline, Profiles(2)));
  const torch::Tensor loss = pipeline->Loss(latents, condition, times, noise);
  const torch::Tensor alone =
      pipeline->Loss(latents.slice(0, 1), {condition.context_BLD.slice(0, 1), condition.time_BT.slice(0, 1)},
                     times.slice(0, 1), noise.slice(0, 1));
  EXPECT_EQ(loss.sizes().vec(), (std::vector<int64_t>{2}));
  EXPECT_NEAR(loss[1].item<double>(), alone[0].item<double>(), 1e-4);
  loss.sum().backward();
  double gradient = 0;
  for (const torch::Tensor& parameter : pipeline->transformer->parameters()) {
    if (parameter.grad().defined()) gradient += parameter.grad().abs().sum().item<double>();
  }
  EXPECT_GT(gradient, 0);
}

TEST(Pipeline, RefusesPartsThatDoNotFit) {
  PipelineConfig config = TinyConfig();
  config.img_size = 18;
  EXPECT_THROW(Pipeline{config}, ConfigError);
  config = TinyConfig();
  config.models.conditioner.time_dim = 33;
  EXPECT_THROW(Pipeline{config}, ConfigError);
  config = TinyConfig();
  config.channels = {"DAPI"};
  EXPECT_THROW(Pipeline{config}, ConfigError);
}

}  // namespace pipeline_test
}  // namespace genvinci
