#include "split_output.h"

#include <algorithm>
#include <limits>

#include "genvinci/core/error.h"
#include "genvinci/core/memory.h"
#include "genvinci/core/progress.h"
#include "genvinci/core/signals.h"
#include "genvinci/core/version.h"

namespace genvinci {
namespace {

constexpr int64_t kGridRows = 8, kGridSamples = 8;

torch::Tensor MakeLatents(const SplitItems& items, std::vector<int64_t> shape) {
  shape.insert(shape.begin(), items.size());
  double bytes = sizeof(float);
  for (const int64_t side : shape) bytes *= static_cast<double>(side);
  RequireMemory(static_cast<uint64_t>(bytes), "--save_latents", "use --limit or fewer samples");
  return torch::empty(shape);
}

}  // namespace

SplitOutput::SplitOutput(const GenerationJob& job, Split split, const SplitItems& items, fs::path folder)
    : job_(job),
      split_(split),
      items_(items),
      staged_(std::move(folder)),
      channels_(job.loaded.pipeline->config().channels) {
  if (job.options.save_latents) latents_ = MakeLatents(items, job.loaded.pipeline->LatentShape());
  grid_.rows.resize(std::min<size_t>(items.observations.size(), kGridRows));
}

std::string SplitOutput::Stem(int64_t item) const {
  return fmt::format("{}_{}", item / items_.samples, item % items_.samples + 1);
}

void SplitOutput::WriteReal() {
  if (!HasReal()) return;
  const int64_t side = job_.loaded.pipeline->config().img_size;
  Progress progress("copying real images", items_.count(), "images");
  for (int64_t i = 0; i < items_.count(); ++i) {
    ThrowIfStopped("stopped before all images were drawn; nothing was written");
    const Image image = Resize(job_.dataset.LoadPatch(items_.observations[static_cast<size_t>(i)]), side, side);
    WriteOutputImage(staged_.path(), fmt::format("{}_0", i), image, channels_, RealText(i));
    AddToGrid(i, image);
    progress.Add(1);
  }
}

void SplitOutput::Write(int64_t first, const DrawnItems& drawn) {
  const int64_t count = drawn.images_BCHW.size(0);
  if (latents_.defined()) latents_.narrow(0, first, count).copy_(drawn.latents_BCHW);
  if (job_.ranker) scores_.push_back(drawn.scores_B);
  for (int64_t i = 0; i < count; ++i) {
    const int64_t item = first + i;
    const Image image = TensorToImage(drawn.images_BCHW[i]);
    WriteOutputImage(staged_.path(), Stem(item), image, channels_, SyntheticText(item));
    if (item % items_.samples < kGridSamples) AddToGrid(item / items_.samples, image);
  }
}

void SplitOutput::Commit(double seconds_per_image) {
  WriteGrid();
  WriteSamplesTable();
  WriteLatents();
  WriteDescription(seconds_per_image);
  staged_.Commit();
}

void SplitOutput::AddToGrid(int64_t row, const Image& image) {
  if (row < static_cast<int64_t>(grid_.rows.size())) {
    grid_.rows[static_cast<size_t>(row)].push_back(DisplayImage(image, channels_));
  }
}

void SplitOutput::WriteGrid() {
  for (size_t r = 0; r < grid_.rows.size(); ++r)
    grid_.row_names.push_back(job_.dataset.obs_name(items_.observations[r]));
  if (HasReal()) grid_.column_names.push_back("real");
  for (int64_t k = 1; k <= std::min(items_.samples, kGridSamples); ++k) {
    grid_.column_names.push_back(fmt::format("sample {}", k));
  }
  PngText text = Provenance();
  text.insert(text.begin(), {{"synthetic", "true"},
                             {"Description", fmt::format("All but the column 'real' are synthetic images: generated "
                                                         "from gene expression by genvinci {}",
                                                         kVersion)}});
  WritePng(staged_.path() / fmt::format("{}_samples.png", Name(split_)), DrawGrid(grid_), text);
}

PngText SplitOutput::Provenance() const {
  PngText text = {{"Software", fmt::format("genvinci {}", kVersion)},
                  {"version", kVersion},
                  {"checkpoint", job_.loaded.path.string()},
                  {"seed", std::to_string(job_.options.common.seed)}};
  SamplerOptions sampling = job_.options.sampling;
  sampling.second_guidance = sampling.ExtraGuidance();
  const Json fields = ToJson(sampling);
  for (const auto& [name, value] : fields.items()) {
    const std::string shown = value.is_string()         ? value.get<std::string>()
                              : value.is_number_float() ? fmt::format("{}", value.get<double>())
                                                        : value.dump();
    text.emplace_back(name, shown);
  }
  return text;
}

PngText SplitOutput::SyntheticText(int64_t item) const {
  PngText text = {
      {"synthetic", "true"},
      {"Description", fmt::format("This image is synthetic: generated from gene expression by genvinci {}", kVersion)},
      {"observation", job_.dataset.obs_name(items_.Observation(item))},
      {"sample", std::to_string(item % items_.samples + 1)}};
  const PngText provenance = Provenance();
  text.insert(text.end(), provenance.begin(), provenance.end());
  return text;
}

PngText SplitOutput::RealText(int64_t i) const {
  return {{"Description", "The real image that the samples beside it are compared with"},
          {"observation", job_.dataset.obs_name(items_.observations[static_cast<size_t>(i)])}};
}

void SplitOutput::WriteLatents() const {
  if (!latents_.defined()) return;
  std::vector<int64_t> shape = latents_.sizes().vec();
  shape[0] = items_.samples;
  shape.insert(shape.begin(), items_.count());
  WriteTensors(staged_.path() / "latents.safetensors", {{"latents", latents_.view(shape)}});
}

void SplitOutput::WriteDescription(double seconds_per_image) const {
  std::vector<std::string> names;
  for (const int64_t i : items_.observations) names.push_back(job_.dataset.obs_name(i));
  const Json description = {{"synthetic", true},
                            {"version", kVersion},
                            {"command_line", CommandLine()},
                            {"options", ToJson(job_.options)},
                            {"checkpoint", job_.loaded.path.string()},
                            {"dataset", job_.dataset.path().string()},
                            {"dataset_fingerprint", job_.dataset.fingerprint()},
                            {"split", Name(split_)},
                            {"n", items_.count()},
                            {"num_samples", items_.samples},
                            {"has_real", HasReal()},
                            {"img_size", job_.loaded.pipeline->config().img_size},
                            {"channels", channels_},
                            {"unconditional", job_.options.unconditional},
                            {"strength", job_.options.strength},
                            {"sampling", ToJson(job_.options.sampling)},
                            {"seconds_per_image", seconds_per_image},
                            {"observations", names}};
  WriteJson(staged_.path() / "generation.json", description);
}

// Without --rank, rank is -1 and score is missing.
void SplitOutput::WriteSamplesTable() const {
  DataFrame obs;
  std::vector<std::string> names, files;
  std::vector<int64_t> samples;
  for (int64_t item = 0; item < items_.size(); ++item) {
    obs.index.push_back(Stem(item));
    names.push_back(job_.dataset.obs_name(items_.Observation(item)));
    files.push_back(Stem(item) + ".png");
    samples.push_back(item % items_.samples + 1);
  }
  const auto items = static_cast<size_t>(items_.size());
  std::vector<int64_t> ranks(items, -1);
  std::vector<double> scores(items, std::numeric_limits<double>::quiet_NaN());
  if (job_.ranker) {
    const torch::Tensor scores_NS = torch::cat(scores_).view({items_.count(), items_.samples});
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
  H5adWriter writer(staged_.path() / "samples.h5ad", obs, DataFrame());
  for (size_t i = 0; i < items; ++i) writer.AppendDense({});
  writer.Finish();
}

}  // namespace genvinci
