#include <algorithm>
#include <chrono>
#include <limits>
#include <optional>

#include "genvinci/core/error.h"
#include "genvinci/core/memory.h"
#include "genvinci/core/progress.h"
#include "genvinci/core/signals.h"
#include "genvinci/core/version.h"
#include "genvinci/generation/output_images.h"
#include "genvinci/generation/picture_grid.h"
#include "genvinci/tensor/device.h"
#include "job.h"
#include "start_noise.h"

namespace genvinci {
namespace {

constexpr int64_t kGridRows = 8, kGridSamples = 8;

class SplitDrawing {
 public:
  SplitDrawing(const GenerationJob& job, Split split, const fs::path& folder)
      : job_(job),
        split_(split),
        folder_(folder),
        observations_(job.ObservationsOf(split)),
        samples_(job.options.num_samples),
        channels_(job.loaded.pipeline->config().channels) {
    if (job.ranks.is_main()) staged_.emplace(folder);
    std::vector<int64_t> shape = {Count(), samples_};
    const std::vector<int64_t> latent = job.loaded.pipeline->LatentShape();
    shape.insert(shape.end(), latent.begin(), latent.end());
    if (!job.options.noise.empty()) noise_.emplace(job.options.noise, shape);
    if (job.options.save_latents && job.ranks.is_main()) latents_ = MakeLatents(shape);
    grid_.rows.resize(std::min<size_t>(observations_.size(), kGridRows));
  }

  Json Run() {
    job_.ranks.OnMain([&] { WriteReal(); });
    const auto start = std::chrono::steady_clock::now();
    {
      Progress progress(fmt::format("drawing the {} part", Name(split_)), Items(), "images");
      const int64_t at_once = job_.options.batch_size * job_.ranks.world();
      for (int64_t first = 0; first < Items(); first += at_once) {
        ThrowIfStopped("stopped before all images were drawn; nothing was written");
        const int64_t end = std::min(first + at_once, Items());
        DrawBatch(first, end);
        progress.Add(end - first);
      }
    }
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    job_.ranks.OnMain([&] {
      WriteGrid();
      WriteTables(seconds / static_cast<double>(Items()));
      staged_->Commit();
    });
    return {{"output", folder_.string()},
            {"split", Name(split_)},
            {"n", Count()},
            {"num_samples", samples_},
            {"seconds_per_image", seconds / static_cast<double>(Items())}};
  }

 private:
  // An item is one sample of one observation; an observation's samples follow one another.
  int64_t Count() const { return static_cast<int64_t>(observations_.size()); }
  int64_t Items() const { return Count() * samples_; }
  int64_t Observation(int64_t item) const { return observations_[static_cast<size_t>(item / samples_)]; }
  std::string Stem(int64_t item) const { return fmt::format("{}_{}", item / samples_, item % samples_ + 1); }
  bool HasReal() const { return job_.dataset.has_images(); }

  static torch::Tensor MakeLatents(const std::vector<int64_t>& shape) {
    double bytes = sizeof(float);
    for (const int64_t side : shape) bytes *= static_cast<double>(side);
    RequireMemory(static_cast<uint64_t>(bytes), "--save_latents", "use --limit or fewer samples");
    return torch::empty(shape).flatten(0, 1);
  }

  void WriteReal() {
    if (!HasReal()) return;
    const int64_t side = job_.loaded.pipeline->config().img_size;
    Progress progress("copying real images", Count(), "images");
    for (int64_t i = 0; i < Count(); ++i) {
      ThrowIfStopped("stopped before all images were drawn; nothing was written");
      const Image image = Resize(job_.dataset.LoadPatch(observations_[static_cast<size_t>(i)]), side, side);
      WriteOutputImage(staged_->path(), fmt::format("{}_0", i), image, channels_, RealText(i));
      AddToGrid(i, image);
      progress.Add(1);
    }
  }

  struct Drawn {
    torch::Tensor latents_BCHW, images_BCHW, scores_B;  // on the CPU
  };

  // Each rank draws a run of the items first .. end - 1; the main one takes them all.
  void DrawBatch(int64_t first, int64_t end) {
    const RankGroup& ranks = job_.ranks;
    const int64_t items = end - first;
    Drawn drawn =
        Draw(first + items * ranks.rank() / ranks.world(), first + items * (ranks.rank() + 1) / ranks.world());
    drawn.latents_BCHW = job_.ranks.GatherRows(drawn.latents_BCHW);
    drawn.images_BCHW = job_.ranks.GatherRows(drawn.images_BCHW);
    if (job_.ranker) scores_.push_back(job_.ranks.GatherRows(drawn.scores_B));
    if (!ranks.is_main()) return;
    if (latents_.defined()) latents_.slice(0, first, end).copy_(drawn.latents_BCHW);
    for (int64_t item = first; item < end; ++item) WriteSample(item, TensorToImage(drawn.images_BCHW[item - first]));
  }

  Drawn Draw(int64_t first, int64_t end) {
    const torch::NoGradGuard no_grad;
    Pipeline pipeline = job_.loaded.pipeline;
    if (first == end) return DrawnNothing();
    std::vector<int64_t> observations;
    std::vector<SampleKey> keys;
    for (int64_t item = first; item < end; ++item) {
      observations.push_back(Observation(item));
      keys.push_back({job_.options.common.seed, Observation(item), item % samples_});
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
    Drawn drawn{latents_BCHW.cpu(), images_BCHW.cpu(), {}};
    if (job_.ranker) drawn.scores_B = job_.ranker->Score(images_BCHW, observations);
    return drawn;
  }

  // A rank without a share of a last, short batch.
  Drawn DrawnNothing() const {
    std::vector<int64_t> latents = job_.loaded.pipeline->LatentShape();
    latents.insert(latents.begin(), 0);
    const int64_t side = job_.loaded.pipeline->config().img_size;
    return {torch::empty(latents), torch::empty({0, static_cast<int64_t>(channels_.size()), side, side}),
            torch::empty({0}, torch::kFloat64)};
  }

  // Normalised latents of the observations' own images, the mean of what the autoencoder says.
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
                      job_.loaded.path.string(), job_.dataset.obs_name(Observation(first + b)));
    }
  }

  void WriteSample(int64_t item, const Image& image) {
    WriteOutputImage(staged_->path(), Stem(item), image, channels_, SyntheticText(item));
    if (item % samples_ < kGridSamples) AddToGrid(item / samples_, image);
  }

  void AddToGrid(int64_t row, const Image& image) {
    if (row < static_cast<int64_t>(grid_.rows.size())) {
      grid_.rows[static_cast<size_t>(row)].push_back(DisplayImage(image, channels_));
    }
  }

  void WriteGrid() {
    for (size_t r = 0; r < grid_.rows.size(); ++r) grid_.row_names.push_back(job_.dataset.obs_name(observations_[r]));
    if (HasReal()) grid_.column_names.push_back("real");
    for (int64_t k = 1; k <= std::min(samples_, kGridSamples); ++k) {
      grid_.column_names.push_back(fmt::format("sample {}", k));
    }
    PngText text = Provenance();
    text.insert(text.begin(), {{"synthetic", "true"},
                               {"Description", fmt::format("All but the column 'real' are synthetic images: generated "
                                                           "from gene expression by genvinci {}",
                                                           kVersion)}});
    WritePng(staged_->path() / fmt::format("{}_samples.png", Name(split_)), DrawGrid(grid_), text);
  }

  PngText Provenance() const {
    const SamplerOptions& sampling = job_.options.sampling;
    return {{"Software", fmt::format("genvinci {}", kVersion)},
            {"version", kVersion},
            {"checkpoint", job_.loaded.path.string()},
            {"seed", std::to_string(job_.options.common.seed)},
            {"sampler", sampling.sampler},
            {"steps", std::to_string(sampling.steps)},
            {"eta", fmt::format("{}", sampling.eta)},
            {"guidance", fmt::format("{}", sampling.guidance)},
            {"guidance_rescale", fmt::format("{}", sampling.guidance_rescale)},
            {"second_guidance", fmt::format("{}", sampling.SecondGuidance())}};
  }

  PngText SyntheticText(int64_t item) const {
    PngText text = {{"synthetic", "true"},
                    {"Description",
                     fmt::format("This image is synthetic: generated from gene expression by genvinci {}", kVersion)},
                    {"observation", job_.dataset.obs_name(Observation(item))},
                    {"sample", std::to_string(item % samples_ + 1)}};
    const PngText provenance = Provenance();
    text.insert(text.end(), provenance.begin(), provenance.end());
    return text;
  }

  PngText RealText(int64_t i) const {
    return {{"Description", "The real image that the samples beside it are compared with"},
            {"observation", job_.dataset.obs_name(observations_[static_cast<size_t>(i)])}};
  }

  void WriteTables(double seconds_per_image) const {
    WriteSamplesTable();
    if (latents_.defined()) {
      std::vector<int64_t> shape = {Count(), samples_};
      shape.insert(shape.end(), latents_.sizes().begin() + 1, latents_.sizes().end());
      WriteTensors(staged_->path() / "latents.safetensors", {{"latents", latents_.view(shape)}});
    }
    std::vector<std::string> names;
    for (const int64_t i : observations_) names.push_back(job_.dataset.obs_name(i));
    const Json description = {{"synthetic", true},
                              {"version", kVersion},
                              {"command_line", CommandLine()},
                              {"options", ToJson(job_.options)},
                              {"checkpoint", job_.loaded.path.string()},
                              {"dataset", job_.dataset.path().string()},
                              {"dataset_fingerprint", job_.dataset.fingerprint()},
                              {"split", Name(split_)},
                              {"n", Count()},
                              {"num_samples", samples_},
                              {"has_real", HasReal()},
                              {"img_size", job_.loaded.pipeline->config().img_size},
                              {"channels", channels_},
                              {"unconditional", job_.options.unconditional},
                              {"strength", job_.options.strength},
                              {"guidance", job_.options.sampling.guidance},
                              {"guidance_rescale", job_.options.sampling.guidance_rescale},
                              {"steps", job_.options.sampling.steps},
                              {"seconds_per_image", seconds_per_image},
                              {"observations", names}};
    WriteJson(staged_->path() / "generation.json", description);
  }

  // Without --rank, rank is -1 and score is missing.
  void WriteSamplesTable() const {
    DataFrame obs;
    std::vector<std::string> names, files;
    std::vector<int64_t> samples;
    for (int64_t item = 0; item < Items(); ++item) {
      obs.index.push_back(Stem(item));
      names.push_back(job_.dataset.obs_name(Observation(item)));
      files.push_back(Stem(item) + ".png");
      samples.push_back(item % samples_ + 1);
    }
    const auto items = static_cast<size_t>(Items());
    std::vector<int64_t> ranks(items, -1);
    std::vector<double> scores(items, std::numeric_limits<double>::quiet_NaN());
    if (job_.ranker) {
      const torch::Tensor scores_NS = torch::cat(scores_).view({Count(), samples_});
      const torch::Tensor ranks_NS = RanksOf(scores_NS).contiguous();
      std::copy_n(scores_NS.const_data_ptr<double>(), items, scores.begin());
      std::copy_n(ranks_NS.const_data_ptr<int64_t>(), items, ranks.begin());
    }
    obs.Set("obs_name", FrameColumn::Strings(names));
    obs.Set("sample", FrameColumn::Integers(samples));
    obs.Set("rank", FrameColumn::Integers(ranks));
    obs.Set("score", FrameColumn::Floats(scores));
    obs.Set("seed", FrameColumn::Integers(std::vector<int64_t>(items, job_.options.common.seed)));
    obs.Set("image", FrameColumn::Strings(files));
    H5adWriter writer(staged_->path() / "samples.h5ad", obs, DataFrame());
    for (size_t i = 0; i < items; ++i) writer.AppendDense({});
    writer.Finish();
  }

  const GenerationJob& job_;
  Split split_;
  fs::path folder_;
  std::vector<int64_t> observations_;
  int64_t samples_;
  std::vector<std::string> channels_;
  std::optional<StagedFolder> staged_;  // the main rank's
  std::optional<StartNoiseFile> noise_;
  torch::Tensor latents_;              // (items, C, H, W)
  std::vector<torch::Tensor> scores_;  // of the ranker, one a batch
  PictureGrid grid_;
};

}  // namespace

Json DrawSplit(const GenerationJob& job, Split split, const fs::path& folder) {
  return SplitDrawing(job, split, folder).Run();
}

}  // namespace genvinci
