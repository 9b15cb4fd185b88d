#include "genvinci/commands/resolve.h"

#include "genvinci/generation/generate.h"

namespace genvinci {
namespace {

std::string ModelOf(const Json& given) {
  return given.contains("model") && given["model"].is_string() ? given["model"].get<std::string>() : "small";
}

// The reference's training; it is what base and genvinci-sd15 start from.
TrainingOptions ReferenceTraining(int64_t epochs, int64_t batch_size) {
  TrainingOptions training;
  training.epochs = epochs;
  training.batch_size = batch_size;
  training.lr = 5e-5;
  return training;
}

// Small networks on a CPU see few steps: larger steps, a shorter memory, averaged weights.
TrainingOptions CpuTraining(int64_t steps, int64_t batch_size, double lr) {
  TrainingOptions training;
  training.max_steps = steps;
  training.batch_size = batch_size;
  training.lr = lr;
  training.warmup_steps = steps / 20;
  training.decay = "cosine";
  training.grad_clip = 1;
  training.weight_decay = 0.01;
  training.beta2 = 0.99;
  training.ema_decay = 0.995;
  training.eval_steps = std::max<int64_t>(1, steps / 4);
  training.save_steps = training.eval_steps;
  return training;
}

bool IsForCpu(const std::string& model) { return model == "small" || model == "tiny"; }

// Giving epochs turns off the preset's number of steps, and the other way round.
void ApplyLength(const Json& given, TrainingOptions& training) {
  const Json* part = given.contains("training") ? &given["training"] : nullptr;
  if (!part) return;
  if (part->contains("epochs") && !part->contains("max_steps")) training.max_steps = 0;
  if (part->contains("max_steps") && !part->contains("epochs")) training.epochs = 0;
  if (training.max_steps > 0 && !part->contains("eval_steps"))
    training.eval_steps = std::max<int64_t>(1, training.max_steps / 4);
  if (training.max_steps > 0 && !part->contains("save_steps")) training.save_steps = training.eval_steps;
  if (training.max_steps > 0 && !part->contains("warmup_steps")) training.warmup_steps = training.max_steps / 20;
}

void RequireLength(const TrainingOptions& training) {
  if (training.epochs == 0 && training.max_steps == 0)
    throw ConfigError("CONFIG_RANGE", "training: neither epochs nor max_steps is set: give one");
}

}  // namespace

GenerateOptions ResolveGenerate(const Json& given) {
  GenerateOptions options;
  FromJson(given, options, "");
  if (options.checkpoint.empty() || options.dataset.empty()) return options;
  options.sampling = SamplingOf(options);
  FromJson(given, options, "");
  return options;
}

PretrainOptions ResolvePretrain(const Json& given) {
  PretrainOptions options;
  const std::string model = ModelOf(given);
  options.transformer = ModelPreset(model).transformer;
  if (IsForCpu(model)) {
    options.training = CpuTraining(model == "tiny" ? 40 : 1000, 16, 5e-4);
  } else {
    options.training = ReferenceTraining(20, 16);
    options.training.warmup_steps = 2000;
  }
  FromJson(given, options, "");
  ApplyLength(given, options.training);
  RequireLength(options.training);
  if (options.dropout) options.transformer.dropout = *options.dropout;
  return options;
}

AutoencoderOptions ResolveAutoencoder(const Json& given) {
  AutoencoderOptions options;
  const std::string model = ModelOf(given);
  options.autoencoder = ModelPreset(model).autoencoder;
  if (IsForCpu(model)) {
    options.training = CpuTraining(model == "tiny" ? 40 : 5000, 8, 4e-3);
    options.edge_weight = 0.5;
    // Latents that carry some noise are easier to draw, and cost half a decibel.
    options.kl_weight = 2e-2;
  } else {
    options.training = ReferenceTraining(50, 4);
  }
  FromJson(given, options, "");
  ApplyLength(given, options.training);
  RequireLength(options.training);
  return options;
}

AlignOptions ResolveAlign(const Json& given) {
  AlignOptions options;
  const std::string model = ModelOf(given);
  options.aligner = AlignerPreset(model);
  if (IsForCpu(model)) {
    options.training = CpuTraining(model == "tiny" ? 40 : 800, 64, 2e-3);
    options.training.weight_decay = 0.05;
    // Batch statistics are those of the last weights, not of averaged ones.
    options.training.ema_decay = 0;
    options.freeze_transformer = true;
    options.gene_dropout = 0.2;
  } else {
    options.training = ReferenceTraining(50, 256);
    options.training.lr = 5e-4;
  }
  FromJson(given, options, "");
  ApplyLength(given, options.training);
  RequireLength(options.training);
  return options;
}

FinetuneOptions ResolveFinetune(const Json& given) {
  FinetuneOptions options;
  const std::string model = ModelOf(given);
  options.models = ModelPreset(model);
  if (IsForCpu(model)) {
    options.training = CpuTraining(model == "tiny" ? 40 : 8000, 16, 2e-3);
    // At high noise, where the genes decide, the error of v counts in full; min-SNR would all but hide it.
    options.diffusion.objective = "v";
    options.freeze_transformer = true;
    options.gene_dropout = 0.2;
    options.sampling.steps = 20;
    options.sampling.guidance = 2;
    options.sampling.guidance_rescale = 0.7;
    options.guidance_candidates = {1.25, 1.5, 1.75, 2.25, 2.5};
    options.steps_candidates = {50};
  } else {
    options.training = ReferenceTraining(101, 4);
  }
  FromJson(given, options, "");
  ApplyLength(given, options.training);
  RequireLength(options.training);
  if (options.dropout) options.models.transformer.dropout = *options.dropout;
  // A default that would have no effect; where it was asked for, fine-tuning says so.
  const bool frozen_positions = options.freeze_transformer && options.models.conditioner.kind == "genvinci";
  if (!given.contains("gene_dropout") && (!options.vector.empty() || frozen_positions)) options.gene_dropout = 0;
  CheckModels(options.models);
  return options;
}

}  // namespace genvinci
