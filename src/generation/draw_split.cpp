#include <algorithm>
#include <chrono>
#include <optional>

#include "genvinci/core/error.h"
#include "genvinci/core/progress.h"
#include "genvinci/tensor/device.h"
#include "job.h"
#include "split_output.h"
#include "start_noise.h"

namespace genvinci {
namespace {

class SplitDrawing {
 public:
  SplitDrawing(const GenerationJob& job, Split split, const fs::path& folder)
      : job_(job), split_(split), folder_(folder), items_{job.ObservationsOf(split), job.options.num_samples} {
    if (job.ranks.is_main()) output_.emplace(job, split, items_, folder);
    if (job.options.noise.empty()) return;
    std::vector<int64_t> shape = job.loaded.pipeline->LatentShape();
    shape.insert(shape.begin(), {items_.count(), items_.samples});
    noise_.emplace(job.options.noise, shape);
  }

  Json Run() {
    job_.ranks.OnMain([&] { output_->WriteReal(); });
    const auto start = std::chrono::steady_clock::now();
    {
      Progress progress(fmt::format("drawing the {} part", Name(split_)), items_.size(), "images");
      const int64_t at_once = job_.options.batch_size * job_.ranks.world();
      for (int64_t first = 0; first < items_.size(); first += at_once) {
        job_.ranks.ThrowIfAnyStopped("stopped before all images were drawn; nothing was written");
        const int64_t end = std::min(first + at_once, items_.size());
        DrawBatch(first, end);
        progress.Add(end - first);
      }
    }
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    const double seconds_per_image = seconds / static_cast<double>(items_.size());
    job_.ranks.OnMain([&] { output_->Commit(seconds_per_image); });
    return {{"output", folder_.string()},
            {"split", Name(split_)},
            {"n", items_.count()},
            {"num_samples", items_.samples},
            {"seconds_per_image", seconds_per_image}};
  }

 private:
  // Each rank draws a run of the items first .. end - 1; the main one takes them all.
  void DrawBatch(int64_t first, int64_t end) {
    RankGroup& ranks = job_.ranks;
    const RankGroup::Share share = ranks.ShareOf(end - first);
    DrawnItems drawn = Draw(first + share.first, first + share.end);
    drawn.images_BCHW = ranks.GatherRows(drawn.images_BCHW);
    if (job_.options.save_latents) drawn.latents_BCHW = ranks.GatherRows(drawn.latents_BCHW);
    if (job_.ranker) drawn.scores_B = ranks.GatherRows(drawn.scores_B);
    if (ranks.is_main()) output_->Write(first, drawn);
  }

  DrawnItems Draw(int64_t first, int64_t end) {
    const torch::NoGradGuard no_grad;
    Pipeline pipeline = job_.loaded.pipeline;
    if (first == end) return DrawnNothing();
    std::vector<int64_t> observations;
    std::vector<SampleKey> keys;
    for (int64_t item = first; item < end; ++item) {
      observations.push_back(items_.Observation(item));
      keys.push_back({job_.options.common.seed, items_.Observation(item), item % items_.samples});
    }
    const Condition condition = ConditionOf(observations);
    SampleStart start{noise_ ? FileNoise(first, end) : pipeline->StartNoise(keys)};
    if (job_.options.strength < 1) {
      start.latents_BCHW = RealLatents(observations);
      start.strength = job_.options.strength;
    }
    const torch::Tensor latents_BCHW = pipeline->SampleFrom(condition, start, keys, job_.options.sampling);
    CheckFinite(latents_BCHW, first);
    const torch::Tensor images_BCHW = pipeline->DecodeImages(latents_BCHW);
    DrawnItems drawn{latents_BCHW.cpu(), images_BCHW.cpu(), {}};
    if (job_.ranker) drawn.scores_B = job_.ranker->Score(images_BCHW, observations);
    return drawn;
  }

  // The last, short batch may leave a rank without a share.
  DrawnItems DrawnNothing() const {
    std::vector<int64_t> latents = job_.loaded.pipeline->LatentShape();
    latents.insert(latents.begin(), 0);
    const int64_t side = job_.loaded.pipeline->config().img_size;
    return {torch::empty(latents),
            torch::empty({0, static_cast<int64_t>(job_.loaded.pipeline->config().channels.size()), side, side}),
            torch::empty({0}, torch::kFloat64)};
  }

  // Normalised latents of the observations' real images: the means of the autoencoder's posterior.
  torch::Tensor RealLatents(const std::vector<int64_t>& observations) const {
    Pipeline pipeline = job_.loaded.pipeline;
    const int64_t side = pipeline->config().img_size;
    std::vector<torch::Tensor> images;
    for (const int64_t observation : observations)
      images.push_back(ImageToTensor(Resize(job_.dataset.LoadPatch(observation), side, side)));
    const torch::Tensor images_BCHW = ToDevice(torch::stack(images), pipeline->null_context.device());
    return pipeline->Normalise(pipeline->autoencoder->Encode(images_BCHW).mean_BCHW);
  }

  // Samples of one observation are neighbours: each profile is encoded once.
  Condition ConditionOf(const std::vector<int64_t>& observations) const {
    std::vector<int64_t> distinct, rows;
    for (const int64_t i : observations) {
      if (distinct.empty() || distinct.back() != i) distinct.push_back(i);
      rows.push_back(static_cast<int64_t>(distinct.size()) - 1);
    }
    Pipeline pipeline = job_.loaded.pipeline;
    if (job_.options.unconditional) return pipeline->Null(static_cast<int64_t>(observations.size()));
    const Condition condition = job_.ConditionOf(distinct);
    return condition.Rows(ToDevice(torch::tensor(rows, torch::kInt64), condition.context_BLD.device()));
  }

  torch::Tensor FileNoise(int64_t first, int64_t end) const {
    std::vector<torch::Tensor> items;
    for (int64_t item = first; item < end; ++item) items.push_back(noise_->Item(item));
    return torch::stack(items);
  }

  void CheckFinite(const torch::Tensor& latents_BCHW, int64_t first) const {
    const torch::Tensor finite_B = latents_BCHW.isfinite().flatten(1).all(1).cpu();
    for (int64_t b = 0; b < finite_B.size(0); ++b) {
      if (finite_B[b].item<bool>()) continue;
      throw DataError("SAMPLE_NOT_FINITE",
                      "{}: the image of '{}' is not finite: use a lower --guidance or another "
                      "checkpoint",
                      job_.loaded.path.string(), job_.dataset.obs_name(items_.Observation(first + b)));
    }
  }

  const GenerationJob& job_;
  Split split_;
  fs::path folder_;
  SplitItems items_;
  std::optional<SplitOutput> output_;  // the main rank's
  std::optional<StartNoiseFile> noise_;
};

}  // namespace

Json DrawSplit(const GenerationJob& job, Split split, const fs::path& folder) {
  return SplitDrawing(job, split, folder).Run();
}

}  // namespace genvinci
