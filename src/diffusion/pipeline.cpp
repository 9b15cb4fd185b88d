#include "genvinci/diffusion/pipeline.h"

#include <algorithm>

#include "genvinci/core/error.h"
#include "genvinci/diffusion/guidance.h"
#include "genvinci/nn/memory_format.h"
#include "genvinci/tensor/eval_guard.h"
#include "genvinci/tensor/random.h"

namespace genvinci {
namespace {

void RequireEqual(const char* one, int64_t a, const char* other, int64_t b) {
  if (a != b) throw ConfigError("PIPELINE_SIZES", "{}: {}, but {} is {}: they must be equal", one, a, other, b);
}

PipelineConfig Checked(const PipelineConfig& config) {
  const ModelOptions& models = config.models;
  RequireEqual("unet.latent_channels", models.unet.latent_channels, "autoencoder.latent_channels",
               models.autoencoder.latent_channels);
  RequireEqual("unet.context_dim", models.unet.context_dim, "conditioner.context_dim", models.conditioner.context_dim);
  RequireEqual("four times unet.model_channels", models.unet.TimeDim(), "conditioner.time_dim",
               models.conditioner.time_dim);
  RequireEqual("autoencoder.channels", models.autoencoder.channels, "the number of image channels",
               static_cast<int64_t>(config.channels.size()));
  const int64_t unet_factor = models.unet.space_to_depth << (models.unet.channel_mult.size() - 1);
  const int64_t multiple = models.autoencoder.Factor() * unet_factor;
  if (config.img_size % multiple != 0) {
    throw ConfigError("PIPELINE_IMG_SIZE", "img_size: {} px; autoencoder and UNet need a multiple of {}: {} would do",
                      config.img_size, multiple, (config.img_size / multiple + 1) * multiple);
  }
  return config;
}

torch::Tensor Channels(const torch::Tensor& values_C) { return values_C.view({1, -1, 1, 1}); }

}  // namespace

PipelineImpl::PipelineImpl(const PipelineConfig& config)
    : config_(Checked(config)), schedule_(config.diffusion), objective_(config.diffusion, schedule_) {
  const ModelOptions& models = config_.models;
  transformer = register_module("transformer", GeneTransformer(models.transformer));
  conditioner = register_module("conditioner", MakeConditioner(models.conditioner, models.transformer));
  unet = register_module("unet", UNet(models.unet));
  autoencoder = register_module("autoencoder", Autoencoder(models.autoencoder));
  const int64_t latents = models.autoencoder.latent_channels;
  latent_mean = register_buffer("latent_mean", torch::zeros({latents}));
  latent_scale = register_buffer("latent_scale", torch::full({latents}, kStableDiffusionLatentScale));
  const ConditionerConfig& context = models.conditioner;
  // Equal rows would get equal gradients and stay equal.
  null_context = register_parameter("null_context", 0.02 * torch::randn({context.context_tokens, context.context_dim}));
  null_time = register_parameter("null_time", torch::zeros({context.time_dim}));
  UseChannelsLast(*this);
}

torch::Tensor PipelineImpl::PadTokens(const std::vector<std::vector<int32_t>>& tokens) const {
  return genvinci::PadTokens(tokens, config_.models.transformer.max_tokens, conditioner->needs_full_length())
      .to(null_context.device());
}

Condition PipelineImpl::Encode(const torch::Tensor& tokens_BL) {
  return conditioner->forward(transformer->forward(tokens_BL), tokens_BL);
}

Condition PipelineImpl::Null(int64_t batch) const {
  return {null_context.unsqueeze(0).expand({batch, -1, -1}), null_time.unsqueeze(0).expand({batch, -1})};
}

Condition PipelineImpl::Drop(const Condition& condition, const torch::Tensor& drop_B) const {
  return {torch::where(drop_B.view({-1, 1, 1}), null_context.unsqueeze(0), condition.context_BLD),
          torch::where(drop_B.view({-1, 1}), null_time.unsqueeze(0), condition.time_BT)};
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
  const torch::Tensor prediction_BCHW =
      unet->forward(noisy_BCHW, timesteps_B, condition.context_BLD, condition.time_BT);
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
  const Predict predict = GuidedUNet(condition, options);
  const Denoise denoise = [&](const torch::Tensor& x_BCHW, const NoiseLevel& level) {
    return objective_.FromPrediction(predict(x_BCHW, level.timestep), x_BCHW, level);
  };
  start.noise_BCHW = start.noise_BCHW.to(null_context.device());
  return sampler->Sample(denoise, start, step_noise);
}

PipelineImpl::Predict PipelineImpl::GuidedUNet(const Condition& condition, const SamplerOptions& options) {
  const double guidance = options.guidance;
  if (guidance == 1) {
    return [this, condition](const torch::Tensor& x_BCHW, double t) {
      const torch::Tensor times_B = torch::full({x_BCHW.size(0)}, t, x_BCHW.options().dtype(torch::kFloat32));
      return unet->forward(x_BCHW, times_B, condition.context_BLD, condition.time_BT);
    };
  }
  if (config_.condition_dropout == 0) {
    throw ConfigError("GUIDANCE_UNTRAINED",
                      "sampling.guidance: {}, but the model was trained with condition_dropout 0 and knows no null "
                      "condition: use guidance 1, or train with condition_dropout",
                      guidance);
  }
  const Condition null = Null(condition.context_BLD.size(0));
  const Condition both{torch::cat({null.context_BLD, condition.context_BLD}),
                       torch::cat({null.time_BT, condition.time_BT})};
  return [this, both, guidance, rescale = options.guidance_rescale](const torch::Tensor& x_BCHW, double t) {
    const torch::Tensor times_B = torch::full({2 * x_BCHW.size(0)}, t, x_BCHW.options().dtype(torch::kFloat32));
    const auto halves = unet->forward(torch::cat({x_BCHW, x_BCHW}), times_B, both.context_BLD, both.time_BT).chunk(2);
    return Guided(halves[0], halves[1], guidance, rescale);
  };
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
