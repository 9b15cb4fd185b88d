#include "genvinci/generation/generate.h"

#include <cmath>

#include "genvinci/core/error.h"
#include "genvinci/core/log.h"
#include "genvinci/core/text.h"
#include "genvinci/diffusion/sampler.h"
#include "genvinci/tensor/device.h"
#include "genvinci/weights/open_pipeline.h"
#include "job.h"

namespace genvinci {
namespace {

std::vector<Split> SplitsOf(const GenerateOptions& options) {
  std::vector<Split> splits;
  if (options.train) splits.push_back(Split::kTrain);
  if (options.val) splits.push_back(Split::kVal);
  if (options.test || splits.empty()) splits.push_back(Split::kTest);
  return splits;
}

void CheckOptions(const GenerateOptions& options, size_t splits) {
  if (options.generate && options.extract) {
    throw UsageError("FLAGS_CONFLICT", "--generate and --extract: run them one after the other");
  }
  if (!options.noise.empty() && splits > 1) {
    throw UsageError("FLAGS_CONFLICT", "--noise: its file fits one part: choose --train, --val or --test");
  }
}

fs::path FreeName(const fs::path& wanted) {
  fs::path free = wanted;
  for (int i = 2; fs::exists(free); ++i) free = wanted.string() + "_" + std::to_string(i);
  return free;
}

// --output is the folder itself, or holds one a split where there are several.
fs::path FolderOf(const GenerationJob& job, Split split, size_t splits) {
  const std::string& output = job.options.common.output;
  if (!output.empty()) return splits == 1 ? fs::path(output) : fs::path(output) / std::string(Name(split));
  return FreeName(RunOf(job.loaded.path) / (job.options.extract ? "embeddings" : "generated") /
                  std::string(Name(split)));
}

void WarnOfLateStart(const SamplerOptions& sampling, const NoiseSchedule& schedule) {
  const double first = MakeSampler(sampling, schedule)->levels().front().timestep;
  const int64_t noise_steps = schedule.steps();
  if (noise_steps % sampling.steps != 0 && first < 0.9 * static_cast<double>(noise_steps)) {
    Warn(
        "--steps {} starts at noise step {:.0f} of {}, where images are not pure noise yet: a divisor of {} does "
        "better",
        sampling.steps, first, noise_steps, noise_steps);
  }
}

PipelineReference ReferenceOf(const GenerateOptions& options) {
  return {options.checkpoint, FolderName(fs::path(options.dataset)), options.img_size};
}

std::shared_ptr<SampleRanker> OpenRanker(const GenerateOptions& options, const Dataset& dataset,
                                         const LoadedPipeline& loaded, const torch::Device& device) {
  const auto path = FindAligner(FolderName(dataset.path()), options.align_path, loaded.sources);
  if (!path) {
    throw MissingFileError("RUN_MISSING",
                           "--rank: there is no alignment run for {}: train one with genvinci align, or "
                           "give --align_path",
                           dataset.path().string());
  }
  return std::make_shared<SampleRanker>(LoadAligner(*path, device), dataset);
}

// The sources of the conditions in training, except those that are given anew.
ConditionSources SourcesOf(const GenerateOptions& options, const LoadedPipeline& loaded) {
  ConditionSources found = loaded.sources.conditions;
  if (!options.vector.empty()) found.vector = options.vector;
  if (!options.second_vector.empty()) found.second_vector = options.second_vector;
  return found;
}

// Images of another scale would be scored against images that show more or less tissue than the model draws.
void RequireScale(const GenerateOptions& options, const Dataset& dataset, const PipelineConfig& config) {
  constexpr double kTolerance = 0.05;
  const double here = dataset.info().um_per_px;
  if (!dataset.has_images() || here <= 0 || config.um_per_px <= 0) return;
  if (std::abs(here / config.um_per_px - 1) <= kTolerance) return;
  const std::string what =
      fmt::format("{}: its images have {:.4f} um per px, those that the model was trained on {:.4f}",
                  dataset.path().string(), here, config.um_per_px);
  if (!options.any_scale)
    throw DataError("GENERATE_SCALE", "{}: prepare it with --patch_um {:.1f} and --img_size {}, or pass --any_scale",
                    what, config.um_per_px * static_cast<double>(config.img_size), config.img_size);
  Warn("{}: kept as --any_scale asks", what);
}

GenerationJob Open(const GenerateOptions& options, RankGroup& ranks) {
  const Dataset dataset = Dataset::Open(options.dataset);
  const torch::Device& device = ranks.device();
  LoadedPipeline loaded = OpenPipeline(ReferenceOf(options), device);
  const PipelineConfig& config = loaded.pipeline->config();
  if (dataset.has_images() && dataset.info().channels.size() != config.channels.size()) {
    throw DataError("GENERATE_CHANNELS",
                    "{}: its images have {} channels, the checkpoint draws {}: use the dataset's "
                    "own checkpoint, or one prepared with --no_images",
                    dataset.path().string(), dataset.info().channels.size(), config.channels.size());
  }
  RequireScale(options, dataset, config);
  if (options.unconditional) RequireNullCondition(config, "--unconditional");
  if (options.strength < 1 && !dataset.has_images()) {
    throw ConfigError("STRENGTH_NO_IMAGES", "--strength {}: {} has no images to start from: leave it out",
                      options.strength, dataset.path().string());
  }
  auto table = std::make_shared<ConditionTable>(dataset, SourcesOf(options, loaded));
  table->RequireSizes(config.models);
  std::optional<ProfileEmbedder> profiles;
  if (config.models.conditioner.ReadsGenes()) {
    TokenizedDataset tokenized;
    ranks.MainFirst(
        [&] { tokenized = TokenizeDataset(dataset, loaded.vocabulary, config.models.transformer.max_tokens); });
    Log("{}: {}", dataset.path().string(), tokenized.coverage.Text());
    if (config.models.second.neighbours > 0)
      table->ReadNeighboursBy({loaded.pipeline->transformer, tokenized.tokens}, /*is_frozen=*/true);
    profiles.emplace(loaded.pipeline->transformer, tokenized.tokens, loaded.pipeline->conditioner->needs_full_length());
  }
  std::shared_ptr<SampleRanker> ranker = options.rank ? OpenRanker(options, dataset, loaded, device) : nullptr;
  return {options, ranks, dataset, std::move(loaded), std::move(profiles), std::move(table), ranker};
}

}  // namespace

EncodedProfiles GenerationJob::ProfilesOf(const std::vector<int64_t>& observations) const {
  if (profiles) return profiles->Encode(observations);
  return {{}, {}, table->Vectors(observations)};
}

Condition GenerationJob::ConditionOf(const std::vector<int64_t>& observations) const {
  Pipeline pipeline = loaded.pipeline;
  return pipeline->Read(ProfilesOf(observations), table->Extra(observations));
}

std::vector<int64_t> GenerationJob::ObservationsOf(Split split) const {
  std::vector<int64_t> observations = dataset.Indices(split);
  if (observations.empty()) {
    std::vector<std::string> others;
    for (const Split other : {Split::kTrain, Split::kVal, Split::kTest})
      if (!dataset.Indices(other).empty()) others.push_back(fmt::format("--{}", Name(other)));
    throw DataError("SPLIT_EMPTY", "{}: its {} part is empty: choose {}, or prepare it with --{}_values",
                    dataset.path().string(), Name(split), JoinText(others, " or "), Name(split));
  }
  const auto limit = static_cast<size_t>(options.limit);
  if (limit > 0 && observations.size() > limit) observations.resize(limit);
  return observations;
}

SamplerOptions SamplingOf(const GenerateOptions& options) { return SamplingOf(ReferenceOf(options)); }

namespace {

Json GenerateOnRanks(const GenerateOptions& options, const std::vector<Split>& splits, RankGroup& ranks) {
  const GenerationJob job = Open(options, ranks);
  if (!options.extract) WarnOfLateStart(options.sampling, job.loaded.pipeline->schedule());
  Json results = Json::array();
  for (const Split split : splits) {
    const fs::path folder = FolderOf(job, split, splits.size());
    results.push_back(options.extract ? ExtractSplit(job, split, folder) : DrawSplit(job, split, folder));
    Log("wrote {}", folder.string());
    if (!options.extract && job.dataset.has_images())
      Log("to score them: genvinci evaluate --generated {}", folder.string());
  }
  if (results.size() == 1) return results[0];
  int64_t n = 0;
  for (const Json& result : results) n += result.at("n").get<int64_t>();
  const fs::path first = results[0].at("output").get<std::string>();
  return {{"output", first.parent_path().string()}, {"n", n}, {"splits", results}};
}

}  // namespace

Json Generate(const GenerateOptions& options) {
  const std::vector<Split> splits = SplitsOf(options);
  CheckOptions(options, splits.size());
  return WithRanks(options.ranks, options.common,
                   [&](RankGroup& ranks) { return GenerateOnRanks(options, splits, ranks); });
}

}  // namespace genvinci
