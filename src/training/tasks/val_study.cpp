#include "genvinci/training/tasks/val_study.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "genvinci/core/error.h"
#include "genvinci/core/log.h"
#include "genvinci/data/tokens.h"
#include "genvinci/metrics/feature_metrics.h"
#include "genvinci/models/profile_embedder.h"
#include "genvinci/tensor/byte_scale.h"
#include "genvinci/training/feeds/image_data.h"

namespace genvinci {
namespace {

constexpr int64_t kStudyBatch = 32;
constexpr int64_t kMostSamples = 4;
constexpr double kGuidanceTolerance = 1.05;
constexpr double kStepsTolerance = 1.02;

torch::Tensor Eight(const torch::Tensor& images_BCHW) {
  return ToByteScale(images_BCHW).to(torch::kCPU, torch::kUInt8);
}

double TotalVariance(const torch::Tensor& values_ND) { return values_ND.var(0).sum().item<double>(); }

torch::Tensor EmbedProfiles(const LoadedAligner& aligner, const Dataset& dataset, const std::vector<int64_t>& rows) {
  const torch::NoGradGuard no_grad;
  Aligner network = aligner.aligner;
  const ProfileTokens tokens =
      TokenizeDataset(dataset, aligner.vocabulary, network->config().transformer.max_tokens).tokens;
  const ProfileEmbedder profiles(network->transformer, tokens);
  std::vector<torch::Tensor> embeddings;
  for (size_t first = 0; first < rows.size(); first += kStudyBatch) {
    const auto end = rows.begin() + static_cast<int64_t>(std::min(first + kStudyBatch, rows.size()));
    const EncodedProfiles batch = profiles.Encode({rows.begin() + static_cast<int64_t>(first), end});
    embeddings.push_back(network->EmbedProfiles(batch.hidden_BLD, batch.tokens_BL));
  }
  return torch::cat(embeddings).to(torch::kCPU, torch::kFloat64);
}

double LeastDistance(const std::vector<TriedSampling>& tried) {
  double least = std::numeric_limits<double>::infinity();
  for (const TriedSampling& one : tried) least = std::min(least, one.distance);
  return least;
}

}  // namespace

ValStudy::ValStudy(const Dataset& dataset, const std::vector<int64_t>& val_rows, const PatchStore& val_patches,
                   const ValStudyOptions& options, RankGroup& ranks)
    : ranks_(ranks), aligner_(LoadAligner(options.align_path, ranks.device())), seed_(options.seed) {
  aligner_.RequireDataset(dataset);
  const auto count = static_cast<int64_t>(val_rows.size());
  if (count < 2)
    throw DataError("VAL_EMPTY",
                    "{}: {} val observations; choosing on val needs 2: prepare the dataset "
                    "with a val part, or leave align_path out",
                    dataset.path().string(), count);
  items_ = EvenlySpread(count, std::min(count, options.images));
  samples_ = std::clamp<int64_t>(options.images / static_cast<int64_t>(items_.size()), 1, kMostSamples);
  for (const int64_t item : items_) rows_.push_back(val_rows[static_cast<size_t>(item)]);
  real_NF_ = aligner_.Features(val_patches.Bytes(Positions(items_)));
  genes_NE_ = EmbedProfiles(aligner_, dataset, rows_);
  genes_NE_ = genes_NE_ * std::sqrt(TotalVariance(real_NF_) / std::max(TotalVariance(genes_NE_), 1e-12));
}

torch::Tensor ValStudy::Joint(const torch::Tensor& features_NF) const {
  return torch::cat({features_NF, genes_NE_}, 1);
}

torch::Tensor ValStudy::Draw(Pipeline pipeline, const Condition& condition, const SamplerOptions& sampling,
                             int64_t sample) const {
  const torch::NoGradGuard no_grad;
  std::vector<torch::Tensor> features;
  const auto count = static_cast<int64_t>(rows_.size());
  const RankGroup::Share share = ranks_.ShareOf(count);
  const int64_t largest_share = (count + ranks_.world() - 1) / ranks_.world();
  for (int64_t first = share.first; first < share.first + largest_share; first += kStudyBatch) {
    ranks_.ThrowIfAnyStopped("stopped while drawing val images: the last checkpoint is untouched");
    if (first >= share.end) continue;
    const int64_t size = std::min(kStudyBatch, share.end - first);
    std::vector<SampleKey> keys;
    for (int64_t i = first; i < first + size; ++i) keys.push_back({seed_, rows_[static_cast<size_t>(i)], sample});
    const Condition batch =
        condition.Rows(torch::arange(first, first + size, condition.time_BT.options().dtype(torch::kInt64)));
    features.push_back(aligner_.Features(Eight(pipeline->DecodeImages(pipeline->Sample(batch, keys, sampling)))));
  }
  const torch::Tensor mine_NF =
      features.empty() ? torch::empty({0, real_NF_.size(1)}, real_NF_.options()) : torch::cat(features).cpu();
  return ranks_.GatherRows(mine_NF);
}

Json ValStudy::Score(Pipeline pipeline, const Condition& condition, const SamplerOptions& sampling) const {
  std::vector<torch::Tensor> made, joint;
  double distance = 0, other = 0;
  const double n = static_cast<double>(rows_.size());
  for (int64_t k = 0; k < samples_; ++k) {
    const torch::Tensor features_NF = Draw(pipeline, condition, sampling, k);
    const torch::Tensor distances_NN = torch::cdist(features_NF, real_NF_);
    distance += distances_NN.diagonal().mean().item<double>() / static_cast<double>(samples_);
    other += (distances_NN.sum() - distances_NN.diagonal().sum()).item<double>() / (n * (n - 1)) /
             static_cast<double>(samples_);
    made.push_back(features_NF);
    joint.push_back(Joint(features_NF));
  }
  return {{"val_frechet_domain", FrechetDistance(real_NF_, torch::cat(made))},
          {"val_frechet_joint_domain", FrechetDistance(Joint(real_NF_), torch::cat(joint))},
          {"val_feature_distance", distance},
          {"val_feature_gap", other - distance}};
}

const TriedSampling& BestGuidance(const std::vector<TriedSampling>& tried) {
  const double least = LeastDistance(tried);
  const TriedSampling* best = nullptr;
  for (const TriedSampling& one : tried) {
    if (!(one.distance <= kGuidanceTolerance * least)) continue;  // NaN too
    if (!best || one.gap > best->gap) best = &one;
  }
  GENVINCI_CHECK(best, "no guidance was tried, or none gives a finite distance");
  return *best;
}

const TriedSampling& FewestSteps(const std::vector<TriedSampling>& tried) {
  const double least = LeastDistance(tried);
  const TriedSampling* best = nullptr;
  for (const TriedSampling& one : tried) {
    if (!(one.distance <= kStepsTolerance * least)) continue;
    if (!best || one.sampling.steps < best->sampling.steps) best = &one;
  }
  GENVINCI_CHECK(best, "no number of steps was tried, or none gives a finite distance");
  return *best;
}

Json ChooseSampling(const ValStudy& study, Pipeline pipeline, const Condition& condition, const SamplingChoice& choice,
                    const fs::path& run) {
  Json rows = Json::array();
  const auto score = [&](const SamplerOptions& sampling) {
    Json row = ToJson(sampling);
    row.update(study.Score(pipeline, condition, sampling));
    const TriedSampling tried{sampling, row.at(ValStudy::kChoice), row.at("val_feature_gap")};
    Log("guidance {}, {} steps: {} {:.4g}, feature gap {:.4g}", sampling.guidance, sampling.steps, ValStudy::kChoice,
        tried.distance, tried.gap);
    rows.push_back(std::move(row));
    return tried;
  };
  Log("trying {} guidance scales and {} numbers of steps on the validation part", choice.guidances.size(),
      choice.steps.size());
  std::vector<TriedSampling> by_guidance = {score(choice.start)};
  for (const double guidance : choice.guidances) {
    SamplerOptions other = choice.start;
    other.guidance = guidance;
    if (guidance != choice.start.guidance) by_guidance.push_back(score(other));
  }
  std::vector<TriedSampling> by_steps = {BestGuidance(by_guidance)};
  for (const int64_t steps : choice.steps) {
    SamplerOptions other = by_steps[0].sampling;
    other.steps = steps;
    if (steps != by_steps[0].sampling.steps) by_steps.push_back(score(other));
  }
  const SamplerOptions best = FewestSteps(by_steps).sampling;
  const Json result = {{"metric", ValStudy::kChoice}, {"tried", rows}, {"sampling", ToJson(best)}};
  if (study.is_main()) WriteJson(run / "sampling.json", result);
  Log("chosen on val: guidance {}, {} steps (of guidances whose distance is within {:.0f} % of the least, the largest "
      "feature gap; then of numbers of steps within {:.0f} %, the fewest)",
      best.guidance, best.steps, 100 * (kGuidanceTolerance - 1), 100 * (kStepsTolerance - 1));
  return result;
}

}  // namespace genvinci
