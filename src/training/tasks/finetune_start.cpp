#include "finetune_start.h"

#include "genvinci/core/error.h"
#include "genvinci/models/unet.h"
#include "genvinci/tensor/random.h"
#include "genvinci/training/feeds/gene_tokens.h"
#include "genvinci/training/feeds/semantic_target.h"
#include "genvinci/weights/load.h"
#include "genvinci/weights/load_runs.h"
#include "genvinci/weights/open_pipeline.h"

namespace genvinci {
namespace {

// The first grid is drawn late; what cannot be drawn is refused early.
void RequireSampling(const FinetuneOptions& options, const PipelineImpl& pipeline) {
  MakeSampler(options.sampling, pipeline.schedule());
  RequireTrainedGuidance(pipeline.config(), options.sampling);
}

// Left-out tokens are zeros, which the reference's conditioner does not read: it takes every position as it is.
void RequireGeneDropout(const FinetuneOptions& options) {
  if (options.gene_dropout > 0 && options.freeze_transformer && options.models.conditioner.kind == "genvinci")
    throw ConfigError("FINETUNE_GENE_DROPOUT",
                      "gene_dropout: {} has no effect on the genvinci conditioner behind a frozen transformer: set "
                      "gene_dropout 0 or freeze_transformer false",
                      options.gene_dropout);
}

void RequireVectorAlone(const FinetuneOptions& options) {
  const auto refuse = [](bool given, const char* key) {
    if (given)
      throw ConfigError("FINETUNE_VECTOR",
                        "{}: has no effect with vector, which stands in place of genes: leave it out", key);
  };
  refuse(!options.pretrain_mlm_path.empty(), "pretrain_mlm_path");
  refuse(options.gene_dropout > 0, "gene_dropout");
}

// The embeddings that the semantic path is drawn to, whose width it takes.
torch::Tensor SemanticTarget(const FinetuneOptions& options, const Dataset& dataset,
                             const std::vector<int64_t>& observations, RankGroup& ranks,
                             ConditionerConfig& conditioner) {
  if (options.semantic_path.empty()) return {};
  if (conditioner.kind != "genvinci")
    throw ConfigError("SEMANTIC_CONDITIONER",
                      "semantic_path: the {} conditioner has no semantic path: set models.conditioner.kind genvinci",
                      conditioner.kind);
  torch::Tensor embeddings_NE;
  ranks.MainFirst(
      [&] { embeddings_NE = ImageEmbeddings(dataset, observations, options.semantic_path, ranks.device()); });
  conditioner.semantic_dim = embeddings_NE.size(1);
  return embeddings_NE;
}

}  // namespace

FinetuneStart MakeFinetuneStart(const FinetuneOptions& options, const Dataset& dataset, const ImageData& data,
                                RankGroup& ranks) {
  const std::string name = FolderName(dataset.path());
  if (options.autoencoder_path.empty())
    throw ConfigError("FINETUNE_AUTOENCODER", "autoencoder_path: is needed: train one with genvinci autoencoder");
  const LoadedAutoencoder autoencoder = OpenTrainedAutoencoder(name, options.autoencoder_path);
  const PretrainedGenes genes = PretrainedGenes::Open(name, options.pretrain_mlm_path, options.vocabulary);
  FinetuneStart start{Pipeline{nullptr}, genes.vocabulary};
  start.sources.conditions = {options.vector, options.second_vector, options.neighbours};
  start.table = std::make_shared<ConditionTable>(dataset, start.sources.conditions);
  if (!options.vector.empty()) RequireVectorAlone(options);
  PipelineConfig config{options.models,          options.diffusion,         data.img_size,
                        dataset.info().channels, options.condition_dropout, options.second_dropout,
                        dataset.info().um_per_px};
  start.table->SetSizes(config.models);
  start.embeddings_NE = SemanticTarget(options, dataset, data.train, ranks, config.models.conditioner);
  config.models.autoencoder = autoencoder.autoencoder->config();
  config.models.transformer.vocabulary_size = start.vocabulary.size();
  at::manual_seed(StreamKey(options.common.seed, "init"));
  start.pipeline = Pipeline(config);
  RequireSampling(options, *start.pipeline);
  RequireGeneDropout(options);
  const torch::NoGradGuard no_grad;
  const NamedTensors from = StateOf(*autoencoder.autoencoder, "");
  const NamedTensors to = StateOf(*start.pipeline->autoencoder, "");
  for (size_t i = 0; i < to.size(); ++i) torch::Tensor(to[i].second).copy_(from[i].second);
  start.pipeline->latent_mean.copy_(autoencoder.latent_mean_C);
  start.pipeline->latent_scale.copy_(autoencoder.latent_scale_C);
  start.sources.autoencoder = autoencoder.path.string();
  const bool reads_genes = config.models.conditioner.ReadsGenes();
  if (reads_genes) genes.Load(start.pipeline->transformer, start.sources);
  if (!options.unet_path.empty()) {
    const auto unet = std::dynamic_pointer_cast<UNetImpl>(start.pipeline->denoiser);
    if (!unet)
      throw ConfigError("FINETUNE_UNET", "unet_path: is for the UNet, but models.denoiser is {}: leave it out",
                        options.models.denoiser);
    UNet holder(unet);
    LoadUNetWeights(WeightSource::Open(options.unet_path, "unet"), holder);
    start.sources.unet = options.unet_path;
  }
  if (!options.align_path.empty()) start.sources.aligner = ResolveRun(name, "align", options.align_path).string();
  Freeze(*start.pipeline->autoencoder);
  if (reads_genes && options.freeze_transformer) Freeze(*start.pipeline->transformer);
  start.pipeline->to(ranks.device());
  if (!reads_genes) return start;
  ranks.MainFirst([&] { start.tokens = TokensOf(dataset, start.vocabulary, config.models.transformer.max_tokens); });
  if (options.neighbours > 0)
    start.table->ReadNeighboursBy({start.pipeline->transformer, start.tokens}, options.freeze_transformer);
  return start;
}

}  // namespace genvinci
