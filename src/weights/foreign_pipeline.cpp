#include "genvinci/weights/foreign_pipeline.h"

#include <optional>

#include "genvinci/core/error.h"
#include "genvinci/tensor/skip_init.h"
#include "genvinci/weights/load.h"

namespace genvinci {
namespace {

[[noreturn]] void Missing(const WeightSource& source, const char* what) {
  throw DataError("WEIGHTS_MODEL",
                  "{}: holds no {}: images are drawn from a run of genvinci, or from a GenVinci checkpoint with its "
                  "transformer, conditioner, UNet and autoencoder",
                  source.path().string(), what);
}

Layout NeedPart(const std::optional<Layout>& found, const WeightSource& source, const char* what) {
  if (!found) Missing(source, what);
  return *found;
}

Vocabulary GeneformerVocabulary(const WeightSource& source, int64_t size) {
  Vocabulary vocabulary = Vocabulary::GeneformerV1();
  if (vocabulary.size() != size)
    throw DataError("WEIGHTS_VOCABULARY", "{}: its transformer has {} tokens, Geneformer's V1 vocabulary {}",
                    source.path().string(), size, vocabulary.size());
  return vocabulary;
}

}  // namespace

LoadedPipeline OpenForeignPipeline(const fs::path& path, int64_t img_size, const torch::Device& device) {
  const WeightSource source = WeightSource::Open(path);
  const Layout transformer = NeedPart(FindGeneTransformer(source), source, "gene transformer");
  const Layout conditioner = NeedPart(FindConditioner(source), source, "conditioner");
  if (!HasTimePath(source)) Missing(source, "time path (time_embed_condtion.)");
  const Layout unet = NeedPart(FindUNet(source), source, "UNet");
  const Layout autoencoder = NeedPart(FindAutoencoder(source), source, "autoencoder");
  PipelineConfig config;
  config.models.transformer = InferGeneTransformer(source, transformer);
  config.models.conditioner = InferConditioner(source, conditioner);
  config.models.unet = InferUNet(source, unet);
  config.models.autoencoder = InferAutoencoder(source, autoencoder);
  config.img_size = img_size;
  config.channels = {"red", "green", "blue"};
  Vocabulary vocabulary = GeneformerVocabulary(source, config.models.transformer.vocabulary_size);
  std::optional<SkipRandomInit> skip(std::in_place);
  Pipeline pipeline(config);
  skip.reset();
  LoadWeights(*pipeline->transformer, source, transformer, {.optional = {"cls."}});
  LoadWeights(*pipeline->conditioner, source, conditioner);
  LoadWeights(*pipeline->denoiser, source, unet);
  LoadWeights(*pipeline->autoencoder, source, autoencoder);
  const torch::NoGradGuard no_grad;
  pipeline->null_context.zero_();
  pipeline->to(device);
  pipeline->eval();
  return {pipeline, std::move(vocabulary), Sources{}, path};
}

SamplerOptions ReferenceSampling() {
  SamplerOptions sampling;
  sampling.sampler = "plms";
  sampling.steps = 250;
  return sampling;
}

}  // namespace genvinci
