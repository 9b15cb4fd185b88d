#include "genvinci/commands/forward.h"

#include <chrono>

#include "genvinci/core/error.h"
#include "genvinci/diffusion/guided_denoiser.h"
#include "genvinci/diffusion/sampler.h"
#include "genvinci/io/safetensors.h"
#include "genvinci/nn/memory_format.h"
#include "genvinci/tensor/convert.h"
#include "genvinci/tensor/random.h"
#include "genvinci/weights/load.h"

namespace genvinci {
namespace {

// The tensors of the input file.
class Inputs {
 public:
  explicit Inputs(const fs::path& path) : file_(path) {}

  bool Has(const std::string& name) const { return file_.Has(name); }
  torch::Tensor Get(const std::string& name) const {
    if (!file_.Has(name)) {
      throw DataError("FORWARD_INPUT", "{}: has no tensor '{}', which this component needs", file_.path().string(),
                      name);
    }
    return ToTensor(file_.View(name));
  }
  torch::Tensor Float(const std::string& name, int64_t axes) const {
    const torch::Tensor tensor = Get(name);
    Require(tensor.dim() == axes, name, fmt::format("has {} axes, {} are needed", tensor.dim(), axes));
    return tensor.to(torch::kFloat32);
  }
  torch::Tensor Whole(const std::string& name, int64_t axes) const {
    const torch::Tensor tensor = Get(name);
    Require(tensor.dim() == axes && !tensor.is_floating_point(), name,
            fmt::format("must be whole numbers with {} axes", axes));
    return tensor.to(torch::kInt64);
  }
  void Require(bool good, const std::string& name, const std::string& problem) const {
    if (!good) throw DataError("FORWARD_INPUT", "{}: '{}' {}", file_.path().string(), name, problem);
  }

 private:
  SafetensorsFile file_;
};

struct Job {
  const ForwardOptions& options;
  const WeightSource& source;
  const Inputs& inputs;
  LoadOptions load;
};

torch::Tensor Tokens(const Job& job, const GeneTransformerConfig& config) {
  const torch::Tensor tokens_BL = job.inputs.Whole("input_ids", 2);
  job.inputs.Require(tokens_BL.size(1) <= config.max_tokens, "input_ids",
                     fmt::format("has {} positions, the model {}", tokens_BL.size(1), config.max_tokens));
  job.inputs.Require(tokens_BL.numel() > 0 && tokens_BL.min().item<int64_t>() >= 0 &&
                         tokens_BL.max().item<int64_t>() < config.vocabulary_size,
                     "input_ids", fmt::format("holds tokens outside 0 to {}", config.vocabulary_size - 1));
  return tokens_BL;
}

NamedTensors RunTransformer(const Job& job, bool with_head) {
  GeneTransformer model = OpenGeneTransformer(job.source, with_head, job.load);
  const torch::Tensor tokens_BL = Tokens(job, model->config());
  const torch::Tensor mask_BL =
      job.inputs.Has("attention_mask") ? job.inputs.Whole("attention_mask", 2) : (tokens_BL != 0).to(torch::kInt64);
  job.inputs.Require(mask_BL.sizes() == tokens_BL.sizes(), "attention_mask", "has another shape than input_ids");
  const torch::Tensor hidden = model->ForwardMasked(tokens_BL, mask_BL);
  return {{"output", with_head ? model->MlmLogits(hidden) : hidden}};
}

NamedTensors RunConditioner(const Job& job) {
  GeneTransformer transformer = OpenGeneTransformer(job.source, /*with_head=*/false, job.load);
  const auto conditioner = OpenConditioner(job.source, transformer->config(), job.load);
  torch::Tensor tokens_BL = Tokens(job, transformer->config());
  if (conditioner->needs_full_length())
    tokens_BL = torch::constant_pad_nd(tokens_BL, {0, transformer->config().max_tokens - tokens_BL.size(1)});
  const Condition condition = conditioner->forward({transformer->forward(tokens_BL), tokens_BL});
  NamedTensors outputs = {{"output", condition.context_BLD}};
  if (HasTimePath(job.source)) outputs.emplace_back("time_embedding", condition.time_BT);
  if (condition.semantic_BE.defined()) outputs.emplace_back("semantic", condition.semantic_BE);
  return outputs;
}

torch::Tensor Context(const Job& job, const std::string& name, const UNetConfig& config, int64_t batch) {
  const torch::Tensor context_BLD = job.inputs.Float(name, 3);
  job.inputs.Require(context_BLD.size(0) == batch && context_BLD.size(2) == config.context_dim, name,
                     fmt::format("is not {} contexts of width {}", batch, config.context_dim));
  return context_BLD;
}

torch::Tensor Latents(const Job& job, const std::string& name, int64_t channels) {
  const torch::Tensor latents_BCHW = job.inputs.Float(name, 4);
  job.inputs.Require(latents_BCHW.size(1) == channels, name,
                     fmt::format("has {} channels, the model {}", latents_BCHW.size(1), channels));
  return latents_BCHW;
}

NamedTensors RunUNet(const Job& job) {
  UNet model = OpenUNet(job.source, job.load);
  const torch::Tensor latents_BCHW = Latents(job, "sample", model->config().latent_channels);
  const int64_t batch = latents_BCHW.size(0);
  torch::Tensor timesteps_B = job.inputs.Get("timestep").reshape(-1);
  if (timesteps_B.size(0) == 1) timesteps_B = timesteps_B.expand({batch});
  job.inputs.Require(timesteps_B.size(0) == batch, "timestep", fmt::format("has not {} numbers", batch));
  torch::Tensor time_BT;
  if (job.inputs.Has("time_embedding")) {
    time_BT = job.inputs.Float("time_embedding", 2);
    job.inputs.Require(time_BT.size(0) == batch && time_BT.size(1) == model->config().TimeDim(), "time_embedding",
                       fmt::format("is not ({}, {})", batch, model->config().TimeDim()));
  }
  const torch::Tensor context_BLD = Context(job, "encoder_hidden_states", model->config(), batch);
  return {{"output", model->forward(latents_BCHW, timesteps_B, context_BLD, time_BT)}};
}

NamedTensors RunEncoder(const Job& job) {
  Autoencoder model = OpenAutoencoder(job.source, job.load);
  const torch::Tensor images_BCHW = Latents(job, "x", model->config().channels);
  const int64_t factor = model->config().Factor();
  job.inputs.Require(images_BCHW.size(2) % factor == 0 && images_BCHW.size(3) % factor == 0, "x",
                     fmt::format("has sides that {} does not divide", factor));
  return {{"output", model->Moments(images_BCHW)}};
}

NamedTensors RunDecoder(const Job& job) {
  Autoencoder model = OpenAutoencoder(job.source, job.load);
  return {{"output", model->Decode(Latents(job, "x", model->config().latent_channels))}};
}

NamedTensors RunVit(const Job& job) {
  VisionTransformer model = OpenVisionTransformer(job.source, job.load);
  const torch::Tensor images_BCHW = Latents(job, "x", model->config().channels);
  const int64_t side = model->config().img_size;
  job.inputs.Require(images_BCHW.size(2) == side && images_BCHW.size(3) == side, "x",
                     fmt::format("is not {} x {} px", side, side));
  return {{"output", model->forward(images_BCHW)}};
}

NamedTensors RunInception(const Job& job) {
  const torch::Tensor images_BCHW = job.inputs.Get("x");
  job.inputs.Require(images_BCHW.dim() == 4 && images_BCHW.size(1) == 3 && images_BCHW.scalar_type() == torch::kUInt8,
                     "x", "is no batch of 8-bit RGB images (B, 3, H, W)");
  return {{"output", OpenInception(job.source, job.load)->forward(images_BCHW)}};
}

NamedTensors RunLpips(const Job& job) {
  const torch::Tensor x = Latents(job, "x", 3), y = Latents(job, "y", 3);
  job.inputs.Require(x.sizes() == y.sizes(), "y", "has another shape than x");
  return {{"output", OpenLpips(job.source, job.load)->forward(x, y)}};
}

NamedTensors RunSampler(const Job& job) {
  const DiffusionConfig config;
  const NoiseSchedule schedule(config);
  const Objective objective(config, schedule);
  const SamplerOptions& sampling = job.options.sampling;
  const auto sampler = MakeSampler(sampling, schedule);
  UNet model = OpenUNet(job.source, job.load);
  const torch::Tensor noise_BCHW = Latents(job, "noise", model->config().latent_channels);
  const int64_t batch = noise_BCHW.size(0);
  torch::Tensor context_BLD = Context(job, "encoder_hidden_states", model->config(), batch);
  const bool guided = sampling.guidance != 1;
  if (guided) {
    const torch::Tensor negative_BLD = Context(job, "negative_encoder_hidden_states", model->config(), batch);
    job.inputs.Require(negative_BLD.sizes() == context_BLD.sizes(), "negative_encoder_hidden_states",
                       "has another shape than encoder_hidden_states");
    context_BLD = torch::cat({negative_BLD, context_BLD});
  }
  const auto run = [&](const torch::Tensor& x, const torch::Tensor& timesteps) {
    return model->forward(x, timesteps, context_BLD);
  };
  const Denoise denoise = GuidedDenoiser({run, guided ? 2 : 1}, objective, sampling);
  const StepNoise step_noise = [&](int64_t step) {
    return torch::randn(noise_BCHW.sizes(), RandomStream(job.options.common.seed, "step", {step}));
  };
  return {{"output", sampler->Sample(denoise, {noise_BCHW}, step_noise)}};
}

NamedTensors RunComponent(const Job& job) {
  const std::string& name = job.options.component;
  if (name == "gene_transformer") return RunTransformer(job, /*with_head=*/false);
  if (name == "mlm") return RunTransformer(job, /*with_head=*/true);
  if (name == "conditioner") return RunConditioner(job);
  if (name == "unet") return RunUNet(job);
  if (name == "vae_encoder") return RunEncoder(job);
  if (name == "vae_decoder") return RunDecoder(job);
  if (name == "vit") return RunVit(job);
  if (name == "inception") return RunInception(job);
  if (name == "lpips") return RunLpips(job);
  GENVINCI_CHECK(name == "sampler", "no component {}", name);
  return RunSampler(job);
}

// The folder of diffusers that holds a component.
std::string PartOf(const std::string& component) {
  if (component == "unet" || component == "sampler") return "unet";
  return component.starts_with("vae") ? "vae" : "";
}

}  // namespace

Json Forward(const ForwardOptions& options) {
  if (options.common.output.empty()) throw UsageError("FLAG_MISSING", "genvinci forward: --output is required");
  const auto start = std::chrono::steady_clock::now();
  const Inputs inputs(options.input);
  WeightSource source = WeightSource::Open(options.weights, PartOf(options.component));
  source.set_wants_averaged(options.ema);
  if (!options.model_config.empty()) source.set_config(ReadJson(options.model_config));
  const torch::NoGradGuard no_grad;
  const NamedTensors outputs = RunComponent({options, source, inputs, {options.partial}});
  WriteTensors(options.common.output, outputs);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  return {{"output", options.common.output}, {"shape", outputs[0].second.sizes().vec()}, {"seconds", seconds.count()}};
}

}  // namespace genvinci
