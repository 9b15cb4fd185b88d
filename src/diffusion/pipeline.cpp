#include "genvinci/diffusion/pipeline.h"

#include <algorithm>

#include "genvinci/core/error.h"
#include "genvinci/diffusion/guided_denoiser.h"
#include "genvinci/nn/memory_format.h"
#include "genvinci/tensor/device.h"
#include "genvinci/tensor/eval_guard.h"
#include "genvinci/tensor/random.h"

namespace genvinci {
namespace {

PipelineConfig Checked(const PipelineConfig& config) {
  const ModelOptions& models = config.models;
  CheckFit(models);
  if (models.autoencoder.channels != static_cast<int64_t>(config.channels.size()))
    throw ConfigError("PIPELINE_SIZES", "autoencoder.channels: {}, but images have {} channels: they must be equal",
                      models.autoencoder.channels, config.channels.size());
  const int64_t multiple = models.autoencoder.Factor() * ShapeOf(models).latent_multiple;
  if (config.img_size % multiple != 0) {
    throw ConfigError("PIPELINE_IMG_SIZE", "img_size: {} px; autoencoder and {} need a multiple of {}: {} would do",
                      config.img_size, models.denoiser, multiple, (config.img_size / multiple + 1) * multiple);
  }
  return config;
}

void RequireTrained(const std::string& asked, const char* dropout, double trained) {
  if (trained > 0) return;
  throw ConfigError("GUIDANCE_UNTRAINED",
                    "{}: the model was trained with {} 0 and has no null condition: use guidance 1, or train with {}",
                    asked, dropout, dropout);
}

torch::Tensor Channels(const torch::Tensor& values_C) { return values_C.view({1, -1, 1, 1}); }

}  // namespace

void RequireTrainedGuidance(const PipelineConfig& config, const SamplerOptions& options) {
  if (options.guidance != 1)
    RequireTrained(fmt::format("sampling.guidance {}", options.guidance), "condition_dropout",
                   config.condition_dropout);
  if (!config.models.second.Any()) {
    if (options.second_guidance)
      throw ConfigError(
          "GUIDANCE_SECOND",
          "sampling.second_guidance: {}, but the model has no extra condition: leave it out, or train with "
          "--neighbours or --second_vector",
          *options.second_guidance);
    return;
  }
  if (options.ExtraGuidance() != 1)
    RequireTrained(fmt::format("sampling.second_guidance {}", options.ExtraGuidance()), "second_dropout",
                   config.second_dropout);
}

void RequireNullCondition(const PipelineConfig& config, const std::string& asked_by) {
  RequireTrained(asked_by, "condition_dropout", config.condition_dropout);
  if (config.models.second.Any()) RequireTrained(asked_by, "second_dropout", config.second_dropout);
}

PipelineImpl::PipelineImpl(const PipelineConfig& config)
    : config_(Checked(config)), schedule_(config.diffusion), objective_(config.diffusion, schedule_) {
  const ModelOptions& models = config_.models;
  if (models.conditioner.ReadsGenes())
    transformer = register_module("transformer", GeneTransformer(models.transformer));
  conditioner = register_module("conditioner", MakeConditioner(models.conditioner, models.transformer));
  denoiser = register_module(models.denoiser, MakeDenoiser(models));
  autoencoder = register_module("autoencoder", Autoencoder(models.autoencoder));
  const int64_t latents = models.autoencoder.latent_channels;
  latent_mean = register_buffer("latent_mean", torch::zeros({latents}));
  latent_scale = register_buffer("latent_scale", torch::full({latents}, kStableDiffusionLatentScale));
  const ConditionerConfig& context = models.conditioner;
  // Equal rows would get equal gradients and stay equal.
  null_context = register_parameter("null_context", 0.02 * torch::randn({context.context_tokens, context.context_dim}));
  null_time = register_parameter("null_time", torch::zeros({context.time_dim}));
  if (models.second.Any()) {
    second = register_module("second", ExtraConditioner(models.second, context.context_dim, context.time_dim));
    null_second = register_parameter("null_second", 0.02 * torch::randn({second->tokens(), context.context_dim}));
    null_second_time = register_parameter("null_second_time", torch::zeros({context.time_dim}));
  }
  UseChannelsLast(*this);
}

Condition PipelineImpl::Encode(const torch::Tensor& tokens_BL) {
  return Read({transformer->forward(tokens_BL), tokens_BL}, {});
}

Condition PipelineImpl::Read(const EncodedProfiles& profiles, const ExtraInputs& inputs) {
  GENVINCI_CHECK(inputs.defined() == !second.is_empty(), "an extra condition is {}, but was {}",
                 second.is_empty() ? "not read" : "read", inputs.defined() ? "given" : "not given");
  const torch::Device device = null_context.device();
  const auto here = [&](const torch::Tensor& values) { return values.defined() ? ToDevice(values, device) : values; };
  Condition condition =
      conditioner->forward({here(profiles.hidden_BLD), here(profiles.tokens_BL), here(profiles.vector_BV)});
  if (!second.is_empty()) {
    condition.second = second->forward(
        {here(inputs.neighbours_BKE), here(inputs.offsets_BK2), here(inputs.present_BK), here(inputs.vector_BV)});
  }
  return condition;
}

Condition PipelineImpl::Null(int64_t batch) const {
  Condition null{null_context.unsqueeze(0).expand({batch, -1, -1}), null_time.unsqueeze(0).expand({batch, -1})};
  if (!second.is_empty())
    null.second = {null_second.unsqueeze(0).expand({batch, -1, -1}), null_second_time.unsqueeze(0).expand({batch, -1})};
  return null;
}

Condition PipelineImpl::Drop(const Condition& condition, const torch::Tensor& drop_B) const {
  Condition dropped = condition;
  dropped.context_BLD = torch::where(drop_B.view({-1, 1, 1}), null_context.unsqueeze(0), condition.context_BLD);
  dropped.time_BT = torch::where(drop_B.view({-1, 1}), null_time.unsqueeze(0), condition.time_BT);
  return dropped;
}

Condition PipelineImpl::DropExtra(const Condition& condition, const torch::Tensor& drop_B) const {
  Condition dropped = condition;
  dropped.second = {torch::where(drop_B.view({-1, 1, 1}), null_second.unsqueeze(0), condition.second.tokens_BLD),
                    torch::where(drop_B.view({-1, 1}), null_second_time.unsqueeze(0), condition.second.time_BT)};
  return dropped;
}

torch::Tensor PipelineImpl::Normalise(const torch::Tensor& latents_BCHW) const {
  return (latents_BCHW - Channels(latent_mean)) * Channels(latent_scale);
}

torch::Tensor PipelineImpl::Denormalise(const torch::Tensor& latents_BCHW) const {
  return latents_BCHW / Channels(latent_scale) + Channels(latent_mean);
}

torch::Tensor PipelineImpl::DecodeImages(const torch::Tensor& normalised_BCHW) {
  const torch::NoGradGuard no_grad;
  return autoencoder->Decode(Denormalise(normalised_BCHW)).clamp(-1, 1);
}

torch::Tensor PipelineImpl::Loss(const torch::Tensor& normalised_BCHW, const Condition& condition,
                                 const torch::Tensor& timesteps_B, const torch::Tensor& noise_BCHW) {
  const torch::Tensor noisy_BCHW = schedule_.AddNoise(normalised_BCHW, noise_BCHW, timesteps_B);
  const torch::Tensor prediction_BCHW = Predict(noisy_BCHW, timesteps_B, condition);
  const torch::Tensor target_BCHW = objective_.Target(normalised_BCHW, noise_BCHW, timesteps_B);
  return (prediction_BCHW - target_BCHW).square().mean({1, 2, 3}) * objective_.Weight(timesteps_B);
}

torch::Tensor PipelineImpl::Sample(const Condition& condition, const std::vector<SampleKey>& keys,
                                   const SamplerOptions& options) {
  return SampleFrom(condition, {StartNoise(keys)}, keys, options);
}

torch::Tensor PipelineImpl::SampleFrom(const Condition& condition, SampleStart start,
                                       const std::vector<SampleKey>& keys, const SamplerOptions& options) {
  const int64_t batch = start.noise_BCHW.size(0);
  GENVINCI_CHECK(batch == static_cast<int64_t>(keys.size()) && batch == condition.context_BLD.size(0),
                 "{} noises, {} keys, {} conditions", batch, keys.size(), condition.context_BLD.size(0));
  const std::unique_ptr<Sampler> sampler = MakeSampler(options, schedule_);
  const torch::NoGradGuard no_grad;
  const EvalGuard eval(*this);
  const StepNoise step_noise = [&](int64_t step) { return Noise("step", keys, {step}); };
  start.noise_BCHW = ToDevice(start.noise_BCHW, null_context.device());
  return sampler->Sample(Guide(condition, options), start, step_noise);
}

torch::Tensor PipelineImpl::Predict(const torch::Tensor& x_BCHW, const torch::Tensor& timesteps_B,
                                    const Condition& condition) {
  const ConditionTokens& more = condition.second;
  if (!more.tokens_BLD.defined())
    return denoiser->forward(x_BCHW, timesteps_B, condition.context_BLD, condition.time_BT);
  return denoiser->forward(x_BCHW, timesteps_B, torch::cat({condition.context_BLD, more.tokens_BLD}, 1),
                           condition.time_BT + more.time_BT);
}

Denoise PipelineImpl::Guide(const Condition& condition, const SamplerOptions& options) {
  RequireTrainedGuidance(config_, options);
  const std::vector<Condition> compared = Compared(condition, options);
  const auto run = [this, all = Condition::Cat(compared)](const torch::Tensor& x, const torch::Tensor& timesteps) {
    return Predict(x, timesteps, all);
  };
  return GuidedDenoiser({run, static_cast<int64_t>(compared.size()), capture_denoiser}, objective_, options);
}

std::vector<Condition> PipelineImpl::Compared(const Condition& condition, const SamplerOptions& options) const {
  const bool is_dual = condition.second.tokens_BLD.defined() && options.ExtraGuidance() != options.guidance;
  if (!is_dual && options.guidance == 1) return {condition};
  const Condition null = Null(condition.context_BLD.size(0));
  if (!is_dual) return {null, condition};
  Condition first = condition;
  first.second = null.second;
  return {null, first, condition};
}

torch::Tensor PipelineImpl::StartNoise(const std::vector<SampleKey>& keys) const { return Noise("noise", keys, {}); }

torch::Tensor PipelineImpl::Noise(const char* purpose, const std::vector<SampleKey>& keys,
                                  const std::vector<int64_t>& more_ids) const {
  std::vector<torch::Tensor> noises;
  for (const SampleKey& key : keys) {
    std::vector<int64_t> ids = {key.observation, key.sample};
    ids.insert(ids.end(), more_ids.begin(), more_ids.end());
    noises.push_back(torch::randn(LatentShape(), RandomStream(key.seed, purpose, ids), torch::kFloat32));
  }
  return torch::stack(noises);
}

std::vector<int64_t> PipelineImpl::LatentShape() const {
  const int64_t side = config_.img_size / config_.models.autoencoder.Factor();
  return {config_.models.autoencoder.latent_channels, side, side};
}

}  // namespace genvinci
