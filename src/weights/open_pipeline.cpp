#include "genvinci/weights/open_pipeline.h"

#include "genvinci/core/error.h"
#include "genvinci/core/log.h"
#include "genvinci/core/run_folder.h"
#include "genvinci/weights/foreign_pipeline.h"
#include "genvinci/weights/load.h"
#include "genvinci/weights/weight_source.h"

namespace genvinci {
namespace {

fs::path RunNamed(const PipelineReference& reference) {
  return ResolveRun(reference.dataset, "ldm", reference.checkpoint);
}

}  // namespace

LoadedPipeline OpenPipeline(const PipelineReference& reference, const torch::Device& device) {
  return WeightSource::IsForeign(reference.checkpoint)
             ? OpenForeignPipeline(reference.checkpoint, reference.img_size, device)
             : LoadPipeline(RunNamed(reference), device);
}

SamplerOptions SamplingOf(const PipelineReference& reference) {
  if (WeightSource::IsForeign(reference.checkpoint)) return ReferenceSampling();
  const Checkpoint checkpoint = Checkpoint::Open(RunNamed(reference));
  const Json state = checkpoint.RequireKind("ldm");
  SamplerOptions sampling;
  // Written when the run was finished.
  const fs::path chosen = RunOf(checkpoint.path()) / "sampling.json";
  std::error_code error;
  if (fs::exists(chosen, error)) {
    FromJson(ReadJson(chosen).value("sampling", Json::object()), sampling, chosen.string());
    return sampling;
  }
  if (state.contains("sampling")) FromJson(state["sampling"], sampling, "sampling");
  return sampling;
}

LoadedAutoencoder OpenTrainedAutoencoder(const std::string& dataset, const std::string& reference) {
  if (!WeightSource::IsForeign(reference))
    return LoadAutoencoderRun(ResolveRun(dataset, "autoencoder", reference), torch::kCPU);
  Autoencoder autoencoder = OpenAutoencoder(WeightSource::Open(reference, "vae"));
  const int64_t latents = autoencoder->config().latent_channels;
  return {autoencoder, torch::zeros({latents}), torch::full({latents}, kStableDiffusionLatentScale), reference};
}

PretrainedGenes PretrainedGenes::Open(const std::string& dataset, const std::string& pretrain_mlm_path,
                                      const std::string& vocabulary) {
  if (pretrain_mlm_path.empty() || WeightSource::IsForeign(pretrain_mlm_path))
    return {Vocabulary::Open(vocabulary), pretrain_mlm_path};
  const fs::path run = ResolveRun(dataset, "mlm", pretrain_mlm_path);
  const Checkpoint checkpoint = Checkpoint::Open(run);
  checkpoint.RequireKind("mlm");
  Vocabulary trained = checkpoint.Vocabulary();
  if (!vocabulary.empty() && Vocabulary::Open(vocabulary).fingerprint() != trained.fingerprint())
    throw DataError("CKPT_VOCABULARY", "{}: was trained with another vocabulary than {}: leave vocabulary out",
                    run.string(), vocabulary);
  return {std::move(trained), run.string()};
}

void PretrainedGenes::Load(GeneTransformer& transformer, Sources& sources) const {
  if (weights.empty()) {
    Log("pretrain_mlm_path is empty: the gene transformer starts from scratch");
  } else if (WeightSource::IsForeign(weights)) {
    LoadTransformerWeights(WeightSource::Open(weights), transformer);
    sources.transformer = weights;
  } else {
    sources.transformer = LoadTransformer(weights, transformer).path().string();
  }
}

}  // namespace genvinci
