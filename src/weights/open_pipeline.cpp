#include "genvinci/weights/open_pipeline.h"

#include "genvinci/core/run_folder.h"
#include "genvinci/weights/foreign_pipeline.h"
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

}  // namespace genvinci
