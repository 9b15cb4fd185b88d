#pragma once

#include <torch/torch.h>

#include <string>
#include <vector>

#include "genvinci/core/json.h"
#include "genvinci/diffusion/diffusion_options.h"
#include "genvinci/diffusion/sampler.h"
#include "genvinci/models/autoencoder.h"
#include "genvinci/models/conditioner.h"
#include "genvinci/models/denoiser.h"
#include "genvinci/models/extra_conditioner.h"
#include "genvinci/models/gene_transformer.h"

namespace genvinci {

// All that generation needs besides weights; kept in a fine-tuned checkpoint's state.json under "pipeline".
struct PipelineConfig {
  ModelOptions models;
  DiffusionConfig diffusion;
  int64_t img_size = 256;
  std::vector<std::string> channels;
  double condition_dropout = 0;  // as trained; 0: there is no null condition, so guidance must be 1
  double second_dropout = 0;     // likewise of the extra condition
  double um_per_px = 0;          // of the images it was trained on; 0: not known

  template <typename Visitor>
  void Fields(Visitor& v) {
    v("models", models, "model sizes");
    v("diffusion", diffusion, "noise process and objective");
    v("img_size", img_size, "px of the images", Range{1, 65536});
    v("channels", channels, "names of the image channels");
    v("condition_dropout", condition_dropout, "share of training profiles replaced by the null condition", Range{0, 1});
    v("second_dropout", second_dropout, "the same of the extra condition", Range{0, 1});
    v("um_per_px", um_per_px, "um per px of the images (0: not known)", Range{0, 1e6});
  }
};

// ConfigError GUIDANCE_UNTRAINED where `options` ask for guidance by a null condition that a model of `config` was not
// trained with, GUIDANCE_SECOND where they scale an extra condition that it has not.
void RequireTrainedGuidance(const PipelineConfig& config, const SamplerOptions& options);
// The same of drawing under the null condition alone.
void RequireNullCondition(const PipelineConfig& config, const std::string& asked_by);

inline constexpr double kStableDiffusionLatentScale = 0.18215;

// Start noise, one stream a (seed, observation, sample).
struct SampleKey {
  int64_t seed = 0, observation = 0, sample = 0;
};

// Conditioner + denoiser + autoencoder + sampler: what sample grids, generation and studies all use. A torch module
// whose children are `transformer` (not where a vector stands in place of genes), `conditioner`, `second` (where there
// is an extra condition), the denoiser under its own name (`unet`), `autoencoder`; buffers `latent_mean`,
// `latent_scale` (latent channels; SD's own: 0 and 0.18215) and parameters `null_context` (tokens, width), `null_time`
// (time_dim), likewise `null_second` and `null_second_time`.
class PipelineImpl : public torch::nn::Module {
 public:
  // ConfigError (PIPELINE_SIZES, PIPELINE_IMG_SIZE) when the parts do not fit together.
  explicit PipelineImpl(const PipelineConfig& config);

  const PipelineConfig& config() const { return config_; }
  const NoiseSchedule& schedule() const { return schedule_; }
  const Objective& objective() const { return objective_; }

  // The condition of gene tokens alone.
  Condition Encode(const torch::Tensor& tokens_BL);
  // `second` is what config's models ask for; inputs may be on the CPU.
  Condition Read(const EncodedProfiles& profiles, const ExtraInputs& second);
  // Null conditions of both kinds.
  Condition Null(int64_t batch) const;
  // Where drop_B (bool) is true the null condition replaces both paths; of the extra condition likewise.
  Condition Drop(const Condition& condition, const torch::Tensor& drop_B) const;
  Condition DropExtra(const Condition& condition, const torch::Tensor& drop_B) const;

  // Images in [-1, 1] <-> latents of zero mean and unit variance a channel.
  torch::Tensor Normalise(const torch::Tensor& latents_BCHW) const;  // (z - mean) * scale
  torch::Tensor Denormalise(const torch::Tensor& latents_BCHW) const;
  torch::Tensor DecodeImages(const torch::Tensor& normalised_BCHW);  // clamped to [-1, 1]; without gradients

  // Fine-tuning's loss of each observation (B): the prediction's squared error at given times and noise, averaged over
  // C, H, W and weighted as the objective says.
  torch::Tensor Loss(const torch::Tensor& normalised_BCHW, const Condition& condition, const torch::Tensor& timesteps_B,
                     const torch::Tensor& noise_BCHW);

  // Normalised latents for each key; same numbers at any batch size within 1e-4, bit-identical at equal batching.
  // Drop-out is off and no gradients are kept. ConfigError: GUIDANCE_UNTRAINED, and MakeSampler's.
  torch::Tensor Sample(const Condition& condition, const std::vector<SampleKey>& keys, const SamplerOptions& options);
  // The same from given start noise, or from normalised latents that it is mixed into (img2img).
  torch::Tensor SampleFrom(const Condition& condition, SampleStart start, const std::vector<SampleKey>& keys,
                           const SamplerOptions& options);
  // (B, C, H, W) standard normal, on the CPU: each item from its key's stream "noise".
  torch::Tensor StartNoise(const std::vector<SampleKey>& keys) const;
  // (C, H, W) of the latents.
  std::vector<int64_t> LatentShape() const;

  GeneTransformer transformer{nullptr};
  std::shared_ptr<ConditionerImpl> conditioner;
  ExtraConditioner second{nullptr};
  std::shared_ptr<DenoiserImpl> denoiser;
  Autoencoder autoencoder{nullptr};
  torch::Tensor latent_mean, latent_scale, null_context, null_time, null_second, null_second_time;
  // On CUDA, sampling launches the denoiser's kernels as one graph from its second call on.
  bool capture_denoiser = true;

 private:
  // The denoiser under a condition, guided as `options` say.
  Denoise Guide(const Condition& condition, const SamplerOptions& options);
  // What guidance compares: the null condition first, where there is any guidance, the whole condition last.
  std::vector<Condition> Compared(const Condition& condition, const SamplerOptions& options) const;
  torch::Tensor Predict(const torch::Tensor& x_BCHW, const torch::Tensor& timesteps_B, const Condition& condition);
  torch::Tensor Noise(const char* purpose, const std::vector<SampleKey>& keys,
                      const std::vector<int64_t>& more_ids) const;

  PipelineConfig config_;
  NoiseSchedule schedule_;
  Objective objective_;
};
TORCH_MODULE(Pipeline);

}  // namespace genvinci
