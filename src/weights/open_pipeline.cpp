#include "genvinci/weights/open_pipeline.h"

#include "genvinci/core/run_folder.h"
#include "genvinci/weights/foreign_pipeline.h"
#include "genvinci/weights/weight_source.h"

namespace genvinci {

fs::path FindPipeline(const std::string& dataset, const std::string& reference) {
  return WeightSource::IsForeign(reference) ? fs::path(reference) : ResolveRun(dataset, "ldm", reference);
}

LoadedPipeline OpenPipeline(const fs::path& path, int64_t img_size, const torch::Device& device) {
  return WeightSource::IsForeign(path) ? OpenForeignPipeline(path, img_size, device) : LoadPipeline(path, device);
}

}  // namespace genvinci
