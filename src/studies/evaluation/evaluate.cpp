#include "genvinci/studies/evaluation/evaluate.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <optional>
#include <set>

#include "evaluation_data.h"
#include "evaluation_report.h"
#include "genvinci/core/error.h"
#include "genvinci/core/log.h"
#include "genvinci/core/memory.h"
#include "genvinci/core/progress.h"
#include "genvinci/core/signals.h"
#include "genvinci/studies/common/domain_space.h"
#include "genvinci/studies/common/examples.h"
#include "genvinci/studies/common/generated_folder.h"
#include "genvinci/studies/common/image_sources.h"
#include "genvinci/studies/common/memorisation.h"
#include "genvinci/tensor/random.h"
#include "genvinci/weights/open_pipeline.h"
#include "test_reads.h"

namespace genvinci {
namespace {

constexpr int64_t kSmallestSide = 7;  // SSIM's window

// A permutation without a fixed point: one cycle through all (Sattolo 1986).
std::vector<int64_t> Derangement(int64_t n, int64_t seed) {
  std::vector<int64_t> order(static_cast<size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  torch::Generator generator = RandomStream(seed, "shuffled");
  for (int64_t i = n - 1; i > 0; --i) {
    const int64_t j = torch::randint(i, {1}, generator, torch::kInt64).item<int64_t>();
    std::swap(order[static_cast<size_t>(i)], order[static_cast<size_t>(j)]);
  }
  return order;
}

// What the intervals over groups draw: patients where there are several, else sections.
std::vector<std::string> GroupsOf(const Dataset& dataset, const std::vector<int64_t>& rows) {
  std::vector<std::string> groups(rows.size());
  for (const char* name : {"patient", "section"}) {
    const FrameColumn* column = dataset.obs().Find(name);
    if (!column) continue;
    for (size_t i = 0; i < rows.size(); ++i) groups[i] = column->Text(static_cast<size_t>(rows[i]));
    if (std::set<std::string>(groups.begin(), groups.end()).size() > 1) break;
  }
  return groups;
}

class Evaluation {
 public:
  Evaluation(const EvaluateOptions& options, RankGroup& ranks)
      : options_(options),
        ranks_(ranks),
        generated_(GeneratedFolder::Open(FindGenerated(options.generated, options.dataset))),
        dataset_(Dataset::Open(options.dataset.empty() ? generated_.dataset : options.dataset)),
        rows_(generated_.RowsIn(dataset_)),
        share_(ranks.ShareOf(generated_.n)),
        loaded_(OpenPipeline({generated_.checkpoint.string(), FolderName(dataset_.path()), generated_.img_size},
                             ranks.device())),
        resampler_(GroupsOf(dataset_, rows_), options.bootstraps, options.common.seed) {
    if (generated_.img_size < kSmallestSide) {
      throw DataError("EVALUATE_SIZE", "{}: images of {} px, SSIM needs {}: generate larger ones",
                      generated_.path.string(), generated_.img_size, kSmallestSide);
    }
    OpenDomainSpace();
  }

  Json Run() {
    const torch::NoGradGuard no_grad;
    real_NCHW_ = LoadReal();
    const SourceSettings settings{
        ranks_, generated_, dataset_, rows_, real_NCHW_, options_.baselines, options_.common.seed};
    sources_ = MakeSources(settings, loaded_.pipeline);
    EvaluationData data{dataset_, rows_, {}, {"shuffled", "shuffled", {}, {}}, {}, resampler_, {}, {}, {}, {}, {}};
    for (const ImageSource& source : sources_.all) data.sources.push_back(Score(source));
    Shuffle(data);
    AddFeatures(data);
    RequireHonestBaseline(data);
    MakeThumbnails();
    Json json;
    ranks_.OnMain([&] {
      const EvaluationReport report = MakeReport(data);
      const fs::path folder = options_.common.output.empty() ? generated_.path : fs::path(options_.common.output);
      WriteEvaluation(report, folder);
      json = report.result.ToJson();
      json["report"] = (folder / "report.html").string();
      Log("wrote {}: tables, pictures and curves for a browser", (folder / "report.html").string());
    });
    return json;
  }

 private:
  void OpenDomainSpace() {
    const auto path = FindAligner(FolderName(dataset_.path()), options_.align_path, loaded_.sources);
    if (!path) {
      Warn("there is no alignment run for {}: only scores of pixels are made: train one with genvinci align",
           dataset_.path().string());
      return;
    }
    space_.emplace(*path, dataset_, ranks_.device());
  }

  torch::Tensor LoadReal() const {
    const auto channels = static_cast<int64_t>(generated_.channels.size());
    RequireMemory(static_cast<uint64_t>(2 * generated_.n * channels * generated_.img_size * generated_.img_size),
                  "the real images", "generate fewer with --limit");
    std::vector<torch::Tensor> real;
    for (const int64_t i : Mine()) real.push_back(generated_.LoadReal(i));
    return GatherMine(torch::stack(real));
  }

  // This rank's share of the observations, and one more where it has none, so that what is made of them has a shape.
  std::vector<int64_t> Mine() const {
    std::vector<int64_t> mine(static_cast<size_t>(std::max<int64_t>(share_.size(), 1)));
    std::iota(mine.begin(), mine.end(), share_.first);
    return mine;
  }

  // (N, ...): of all observations, from a row for each of Mine().
  torch::Tensor GatherMine(const torch::Tensor& rows) const {
    return ranks_.GatherRows(rows.narrow(0, 0, share_.size()));
  }

  SourceScores Score(const ImageSource& source) {
    SourceScores scores{source.key, source.title, {}, {}};
    PixelScores pixels;
    std::vector<torch::Tensor> features;
    const std::vector<int64_t> mine = Mine();
    Progress progress("scoring " + source.title, static_cast<int64_t>(mine.size()), "observations");
    for (const int64_t i : mine) {
      ThrowIfStopped("stopped; nothing was written");
      const torch::Tensor images_SCHW = source.images_of(i);
      pixels.Add(images_SCHW, real_NCHW_[i]);
      if (space_) features.push_back(space_->Features(images_SCHW));
      progress.Add(1);
    }
    for (size_t m = 0; m < kPixelMetrics; ++m) scores.paired_NS[m] = GatherMine(pixels.Values(m));
    if (space_) scores.features_NSF = GatherMine(torch::stack(features));
    return scores;
  }

  // The generated images against the real ones of other observations.
  void Shuffle(EvaluationData& data) const {
    if (generated_.n < 2) return;
    data.other = Derangement(generated_.n, options_.common.seed);
    PixelScores pixels;
    for (const int64_t i : Mine()) {
      pixels.Add(sources_.all.front().images_of(i), real_NCHW_[data.other[static_cast<size_t>(i)]]);
    }
    for (size_t m = 0; m < kPixelMetrics; ++m) data.shuffled.paired_NS[m] = GatherMine(pixels.Values(m));
  }

  void AddFeatures(EvaluationData& data) {
    if (!space_) return;
    const std::vector<int64_t> mine = Mine();
    data.real_NF = GatherMine(space_->Features(real_NCHW_.slice(0, mine.front(), mine.back() + 1)));
    data.train_rows = dataset_.Indices(Split::kTrain);
    data.val_rows = dataset_.Indices(Split::kVal);
    data.train_NF = PartFeatures(data.train_rows);
    data.val_NF = PartFeatures(data.val_rows);
    for (SourceScores& source : data.sources) {
      source.paired_NS[kPixelMetrics] = FeatureDistances(source.features_NSF, data.real_NF);
    }
    if (generated_.n < 2) return;
    data.shuffled.paired_NS[kPixelMetrics] = OtherFeatureDistances(data.generated().features_NSF, data.real_NF);
  }

  torch::Tensor PartFeatures(const std::vector<int64_t>& rows) {
    const RankGroup::Share share = ranks_.ShareOf(static_cast<int64_t>(rows.size()));
    const std::vector<int64_t> mine(rows.begin() + share.first, rows.begin() + share.end);
    return ranks_.GatherRows(mine.empty() ? torch::zeros({0, space_->dim()}, torch::kFloat64)
                                          : space_->PatchFeatures(dataset_, mine, generated_.img_size));
  }

  // A baseline that loses to the mean image was not trained: nothing said beside it would be worth reading.
  void RequireHonestBaseline(const EvaluationData& data) const {
    std::optional<double> cnn, mean;
    for (const SourceScores& source : data.sources) {
      if (source.key == "cnn") cnn = source.paired_NS[0].mean().item<double>();
      if (source.key == "mean_image") mean = source.paired_NS[0].mean().item<double>();
    }
    if (!cnn || !mean || *cnn < *mean) return;
    throw DataError("BASELINE_CNN",
                    "{}: the CNN baseline's squared error is {:.5f}, the mean image's {:.5f}: the genes of this "
                    "dataset do not predict its pixels; leave the CNN out with --baselines mean,nearest",
                    dataset_.path().string(), *cnn, *mean);
  }

  void MakeThumbnails() {
    const std::vector<int64_t> train_rows = dataset_.Indices(Split::kTrain);
    const torch::Tensor real = Memorisation::Thumbnails(real_NCHW_);
    std::vector<torch::Tensor> train = {real.narrow(0, 0, 0)}, generated;
    const RankGroup::Share share = ranks_.ShareOf(static_cast<int64_t>(train_rows.size()));
    for (int64_t i = share.first; i < share.end; ++i) {
      const int64_t row = train_rows[static_cast<size_t>(i)];
      train.push_back(Memorisation::Thumbnails(PatchBytes(dataset_, row, generated_.img_size).unsqueeze(0)));
    }
    for (const int64_t i : Mine()) generated.push_back(Memorisation::Thumbnails(sources_.all.front().images_of(i)));
    thumbnails_ = {ranks_.GatherRows(torch::cat(train)), real, GatherMine(torch::stack(generated)).flatten(0, 1)};
  }

  EvaluationSource Source() const {
    const bool same_patient = dataset_.info().same_patient && generated_.split != Name(Split::kTrain);
    return {generated_.n,
            generated_.num_samples,
            generated_.img_size,
            generated_.split,
            generated_.checkpoint.string(),
            dataset_.path().string(),
            generated_.path.string(),
            generated_.sampling,
            same_patient,
            options_.bootstraps,
            options_.common.seed};
  }

  EvaluationResult MakeResult(const EvaluationData& data) {
    EvaluationResult result{Source(),          PairedScores(data),     DistributionScores(data),
                            ScoreLabels(data), ScoreProportions(data), ScoreNuclei(data)};
    if (thumbnails_.train.size(0) > 0 && generated_.n > 1)
      result.memorisation = Memorisation(thumbnails_.train).Compare(thumbnails_.real, thumbnails_.generated);
    if (space_) result.domain = {space_->loaded().path.string(), space_->dim()};
    result.cnn_tuning = sources_.cnn_tuning;
    if (generated_.split == Name(Split::kTest)) result.test_reads = CountTestRead(generated_.checkpoint);
    return result;
  }

  EvaluationReport MakeReport(const EvaluationData& data) {
    EvaluationReport report{generated_, MakeResult(data), {}, {}};
    const std::vector<std::string> labels = LabelsOf(dataset_, rows_);
    const std::vector<int64_t> examples = ChooseExamples(labels, options_.examples);
    std::vector<std::string> captions;
    for (const int64_t i : examples) {
      const auto at = static_cast<size_t>(i);
      captions.push_back(labels[at].empty() ? generated_.observations[at] : labels[at]);
    }
    report.examples = MakePicture(examples, captions);
    if (space_) report.extremes = MakeExtremes(data);
    return report;
  }

  // The observations whose samples lie nearest to, midway and farthest from their real images.
  Picture MakeExtremes(const EvaluationData& data) {
    const torch::Tensor order_N = data.generated().paired_NS[kPixelMetrics].mean(1).argsort();
    const int64_t each = std::clamp<int64_t>(generated_.n / 3, 1, 4);
    std::vector<int64_t> chosen;
    std::vector<std::string> captions;
    for (const auto& [name, first] : {std::pair<const char*, int64_t>{"best", 0},
                                      {"median", (generated_.n - each) / 2},
                                      {"worst", generated_.n - each}}) {
      for (int64_t k = 0; k < each; ++k) {
        chosen.push_back(order_N[first + k].item<int64_t>());
        captions.push_back(name);
      }
    }
    return MakePicture(chosen, captions);
  }

  Picture MakePicture(const std::vector<int64_t>& chosen, const std::vector<std::string>& captions) {
    Picture picture;
    picture.captions = captions;
    const auto add_row = [&](const std::string& name, const std::function<torch::Tensor(int64_t)>& image_of) {
      std::vector<Image> row;
      for (const int64_t i : chosen) row.push_back(ImageOfBytes(image_of(i)));
      picture.rows.emplace_back(name, std::move(row));
    };
    add_row("real", [&](int64_t i) { return real_NCHW_[i]; });
    for (const char* key : {"reconstructed", "generated", "nearest", "cnn"}) {
      const ImageSource* source = sources_.Find(key);
      if (!source) continue;
      const int64_t samples = source->key == "generated" ? std::min(generated_.num_samples, kPictureSamples) : 1;
      for (int64_t k = 0; k < samples; ++k) {
        const std::string name = samples > 1 ? fmt::format("{} {}", source->title, k + 1) : source->title;
        add_row(name, [&](int64_t i) { return source->images_of(i)[k]; });
      }
    }
    return picture;
  }

  EvaluateOptions options_;
  RankGroup& ranks_;
  GeneratedFolder generated_;
  Dataset dataset_;
  std::vector<int64_t> rows_;
  RankGroup::Share share_;
  LoadedPipeline loaded_;
  Resampler resampler_;
  std::optional<DomainSpace> space_;
  torch::Tensor real_NCHW_;  // uint8
  ImageSources sources_;
  struct {
    torch::Tensor train, real, generated;
  } thumbnails_;
};

}  // namespace

Json Evaluate(const EvaluateOptions& options) {
  return WithRanks(options.ranks, options.common, [&](RankGroup& ranks) { return Evaluation(options, ranks).Run(); });
}

}  // namespace genvinci
