#pragma once

#include <algorithm>

#include "genvinci/training/training_options.h"

// The defaults of the training commands, which go with the model size. The sizes of the networks themselves are in
// models/presets.cpp.

namespace genvinci {
namespace internal {

// The reference's training; it is what base and genvinci-sd15 start from.
inline TrainingOptions ReferenceTraining(int64_t epochs, int64_t batch_size) {
  TrainingOptions training;
  training.epochs = epochs;
  training.batch_size = batch_size;
  training.lr = 5e-5;
  return training;
}

// Small networks on a CPU see few steps: larger steps, a shorter memory, averaged weights.
inline TrainingOptions CpuTraining(int64_t steps, int64_t batch_size, double lr) {
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

inline bool IsForCpu(const std::string& model) { return model == "small" || model == "tiny"; }

}  // namespace internal

inline void SetDefaults(const std::string& model, PretrainOptions& options) {
  options.model = model;
  if (internal::IsForCpu(model)) {
    options.training = internal::CpuTraining(model == "tiny" ? 40 : 1000, 16, 5e-4);
  } else {
    options.training = internal::ReferenceTraining(20, 16);
    options.training.warmup_steps = 2000;
  }
}

inline void SetDefaults(const std::string& model, AutoencoderOptions& options) {
  options.model = model;
  if (internal::IsForCpu(model)) {
    options.training = internal::CpuTraining(model == "tiny" ? 40 : 5000, 8, 4e-3);
    options.edge_weight = 0.5;
    // Latents that carry some noise are easier to draw, and cost half a decibel.
    options.kl_weight = 2e-2;
  } else {
    options.training = internal::ReferenceTraining(50, 4);
  }
}

inline void SetDefaults(const std::string& model, AlignOptions& options) {
  options.model = model;
  if (internal::IsForCpu(model)) {
    options.training = internal::CpuTraining(model == "tiny" ? 40 : 800, 64, 2e-3);
    options.training.weight_decay = 0.05;
    // Batch statistics are those of the last weights, not of averaged ones.
    options.training.ema_decay = 0;
    options.freeze_transformer = true;
    options.gene_dropout = 0.2;
  } else {
    options.training = internal::ReferenceTraining(50, 256);
    options.training.lr = 5e-4;
  }
}

inline void SetDefaults(const std::string& model, FinetuneOptions& options) {
  options.model = model;
  if (internal::IsForCpu(model)) {
    options.training = internal::CpuTraining(model == "tiny" ? 40 : 8000, 16, 2e-3);
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
    options.training = internal::ReferenceTraining(101, 4);
  }
}

}  // namespace genvinci
