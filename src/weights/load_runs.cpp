#include "genvinci/weights/load_runs.h"

#include "genvinci/core/error.h"
#include "genvinci/core/log.h"
#include "genvinci/core/run_folder.h"
#include "genvinci/core/text.h"
#include "genvinci/nn/memory_format.h"
#include "genvinci/tensor/skip_init.h"

namespace genvinci {
namespace {

template <typename Config>
Config ReadConfig(const Checkpoint& checkpoint, const Json& state, const char* key) {
  const std::string source = (checkpoint.path() / "state.json").string();
  if (!state.contains(key)) throw DataError("CKPT_CONFIG", "{}: has no \"{}\"", source, key);
  Config config;
  try {
    FromJson(state[key], config, source);
  } catch (const ConfigError& error) {
    throw DataError("CKPT_CONFIG", "{}: written by another version?", error.what());
  }
  return config;
}

RunState RunStateOf(const Checkpoint& checkpoint, const Json& state) {
  return RunState::Of(state, (checkpoint.path() / "state.json").string());
}

// "hidden 128 (not 256)" for each size that differs; drop-out is no size.
std::vector<std::string> Differences(const GeneTransformerConfig& saved, const GeneTransformerConfig& wanted) {
  std::vector<std::string> differences;
  const Json a = ToJson(saved), b = ToJson(wanted);
  for (const auto& [key, value] : a.items()) {
    if (key != "dropout" && b.at(key) != value)
      differences.push_back(fmt::format("{} {} (not {})", key, DumpJson(value), DumpJson(b.at(key))));
  }
  return differences;
}

}  // namespace

LoadedPipeline LoadPipeline(const fs::path& path, const torch::Device& device) {
  const Checkpoint checkpoint = Checkpoint::Open(path);
  const Json state = checkpoint.RequireKind("ldm");
  const auto config = ReadConfig<PipelineConfig>(checkpoint, state, "pipeline");
  std::optional<SkipRandomInit> skip(std::in_place);
  Pipeline pipeline(config);
  skip.reset();
  checkpoint.LoadInto(*pipeline, "");
  pipeline->to(device);
  pipeline->eval();
  return {pipeline, checkpoint.Vocabulary(), RunStateOf(checkpoint, state).sources, checkpoint.path()};
}

LoadedAutoencoder LoadAutoencoderRun(const fs::path& path, const torch::Device& device) {
  const Checkpoint checkpoint = Checkpoint::Open(path);
  const Json state = checkpoint.RequireKind("autoencoder");
  const auto config = ReadConfig<AutoencoderConfig>(checkpoint, state, "autoencoder");
  Autoencoder autoencoder(config);
  UseChannelsLast(*autoencoder);
  checkpoint.LoadInto(*autoencoder, "autoencoder");
  autoencoder->to(device);
  autoencoder->eval();
  const auto tensors = checkpoint.Tensors("model");
  const torch::Tensor mean_C = ToTensor(tensors->View("latent_mean"));
  const torch::Tensor scale_C = ToTensor(tensors->View("latent_scale"));
  if (mean_C.numel() != config.latent_channels || scale_C.numel() != config.latent_channels)
    throw DataError("CKPT_TENSORS", "{}: latent_mean and latent_scale do not have {} values",
                    (checkpoint.path() / "model.safetensors").string(), config.latent_channels);
  return {autoencoder, mean_C.to(device), scale_C.to(device), checkpoint.path()};
}

std::optional<fs::path> FindAligner(const std::string& dataset, const std::string& given, const Sources& sources) {
  if (!given.empty()) return ResolveRun(dataset, "align", given);
  if (!sources.aligner.empty()) return ResolveRun(dataset, "align", sources.aligner);
  std::error_code error;
  if (!fs::exists(fs::path("output") / dataset / "align", error)) return std::nullopt;
  return ResolveRun(dataset, "align", "latest");
}

LoadedAligner LoadAligner(const fs::path& path, const torch::Device& device) {
  const Checkpoint checkpoint = Checkpoint::Open(path);
  const Json state = checkpoint.RequireKind("align");
  Aligner aligner(ReadConfig<AlignerConfig>(checkpoint, state, "aligner"));
  checkpoint.LoadInto(*aligner, "");
  aligner->to(device);
  aligner->eval();
  return {aligner,
          checkpoint.Vocabulary(),
          state.at("img_size").get<int64_t>(),
          state.at("channels").get<std::vector<std::string>>(),
          RunStateOf(checkpoint, state).dataset_fingerprint(),
          checkpoint.path()};
}

void LoadedAligner::RequireDataset(const Dataset& dataset) const {
  if (dataset.Is(dataset_fingerprint)) return;
  // New tissue has no part to train a space of its own on.
  if (dataset.Indices(Split::kTrain).empty()) {
    Warn("{}: has no training part: images are compared in the features of {}, which another dataset has trained",
         dataset.path().string(), path.string());
    return;
  }
  throw DataError("ALIGN_DATASET",
                  "{}: was trained on another dataset than {}, or that has changed: run genvinci align --dataset on it",
                  path.string(), dataset.path().string());
}

Autoencoder LoadAutoencoder(const fs::path& path, const torch::Device& device) {
  return LoadAutoencoderRun(path, device).autoencoder;
}

Checkpoint LoadTransformer(const fs::path& path, GeneTransformer& transformer) {
  Checkpoint checkpoint = Checkpoint::Open(path);
  const Json state = checkpoint.RequireKind("mlm");
  const auto saved = ReadConfig<GeneTransformerConfig>(checkpoint, state, "transformer");
  const auto differences = Differences(saved, transformer->config());
  if (!differences.empty())
    throw DataError("CKPT_CONFIG", "{}: its transformer has {}: choose the --model it was trained with",
                    checkpoint.path().string(), JoinText(differences, ", "));
  checkpoint.LoadInto(*transformer, "transformer");
  return checkpoint;
}

}  // namespace genvinci
