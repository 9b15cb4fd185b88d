#include "genvinci/commands/resolve.h"

#include "genvinci/generation/generate.h"
#include "genvinci/training/default_options.h"
#include "genvinci/training/engine/run_task.h"

namespace genvinci {
namespace {

std::string ModelOf(const Json& given) {
  return given.contains("model") && given["model"].is_string() ? given["model"].get<std::string>() : "small";
}

// Giving epochs turns off the default number of steps, and the other way round; what goes with it follows.
void FollowLength(const Json& given, TrainingOptions& training) {
  const Json* part = given.contains("training") ? &given["training"] : nullptr;
  if (!part) return;
  if (part->contains("epochs") && !part->contains("max_steps")) training.max_steps = 0;
  if (part->contains("max_steps") && !part->contains("epochs")) training.epochs = 0;
  if (training.max_steps > 0 && !part->contains("eval_steps"))
    training.eval_steps = std::max<int64_t>(1, training.max_steps / 4);
  if (training.max_steps > 0 && !part->contains("save_steps")) training.save_steps = training.eval_steps;
  if (training.max_steps > 0 && !part->contains("warmup_steps")) training.warmup_steps = training.max_steps / 20;
}

void FinishTraining(const Json& given, TrainingOptions& training) {
  FollowLength(given, training);
  RequireLength(training);
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
  SetDefaults(ModelOf(given), options);
  options.transformer = ModelPreset(options.model).transformer;
  FromJson(given, options, "");
  FinishTraining(given, options.training);
  if (options.dropout) options.transformer.dropout = *options.dropout;
  return options;
}

AutoencoderOptions ResolveAutoencoder(const Json& given) {
  AutoencoderOptions options;
  SetDefaults(ModelOf(given), options);
  options.autoencoder = ModelPreset(options.model).autoencoder;
  FromJson(given, options, "");
  FinishTraining(given, options.training);
  return options;
}

AlignOptions ResolveAlign(const Json& given) {
  AlignOptions options;
  SetDefaults(ModelOf(given), options);
  options.aligner = AlignerPreset(options.model);
  FromJson(given, options, "");
  FinishTraining(given, options.training);
  return options;
}

FinetuneOptions ResolveFinetune(const Json& given) {
  FinetuneOptions options;
  SetDefaults(ModelOf(given), options);
  options.models = ModelPreset(options.model);
  FromJson(given, options, "");
  FinishTraining(given, options.training);
  if (options.dropout) options.models.transformer.dropout = *options.dropout;
  // A default that would have no effect; where it was asked for, fine-tuning says so.
  const bool frozen_positions = options.freeze_transformer && options.models.conditioner.kind == "genvinci";
  if (!given.contains("gene_dropout") && (!options.vector.empty() || frozen_positions)) options.gene_dropout = 0;
  CheckModels(options.models);
  return options;
}

}  // namespace genvinci
