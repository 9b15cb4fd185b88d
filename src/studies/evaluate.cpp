#include "genvinci/studies/evaluate.h"

#include <numeric>

#include "evaluation_report.h"
#include "genvinci/checkpoint/checkpoint.h"
#include "genvinci/core/error.h"
#include "genvinci/core/log.h"
#include "genvinci/core/progress.h"
#include "genvinci/core/signals.h"
#include "genvinci/core/version.h"
#include "genvinci/studies/examples.h"
#include "genvinci/tensor/device.h"
#include "genvinci/tensor/random.h"

namespace genvinci {
namespace {

constexpr int64_t kSmallestSide = 7;  // SSIM's window
constexpr int64_t kBatch = 16;

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

class Evaluation {
 public:
  explicit Evaluation(const EvaluateOptions& options)
      : options_(options),
        generated_(GeneratedFolder::Open(options.generated)),
        dataset_(Dataset::Open(options.dataset.empty() ? generated_.dataset : options.dataset)),
        rows_(generated_.RowsIn(dataset_)),
        labels_(LabelsOf(dataset_, rows_)),
        device_(OpenDevice(options.common.device)),
        loaded_(LoadPipeline(generated_.checkpoint, device_)) {
    if (generated_.img_size < kSmallestSide) {
      throw DataError("EVALUATE_SIZE", "{}: images of {} px, SSIM needs {}: generate larger ones",
                      generated_.path.string(), generated_.img_size, kSmallestSide);
    }
  }

  Json Run() {
    const torch::NoGradGuard no_grad;
    for (const std::string& baseline : options_.baselines) {
      if (baseline == "mean") mean_image_CHW_ = MeanTrainingImage();
    }
    ScoreAll();
    const EvaluationReport report{generated_, MakeJson(), MakePicture()};
    const fs::path folder = options_.common.output.empty() ? generated_.path : fs::path(options_.common.output);
    WriteEvaluation(report, folder);
    return report.json;
  }

 private:
  torch::Tensor MeanTrainingImage() const {
    const std::vector<int64_t> training = dataset_.Indices(Split::kTrain);
    if (training.empty()) {
      throw DataError("SPLIT_EMPTY", "{}: its train part is empty: use --baselines with no value",
                      dataset_.path().string());
    }
    const int64_t side = generated_.img_size;
    torch::Tensor sum = torch::zeros({static_cast<int64_t>(generated_.channels.size()), side, side}, torch::kFloat64);
    Progress progress("mean training image", static_cast<int64_t>(training.size()), "images");
    for (const int64_t row : training) {
      ThrowIfStopped("stopped; nothing was written");
      sum += BytesOf(Resize(dataset_.LoadPatch(row), side, side));
      progress.Add(1);
    }
    return sum / static_cast<double>(training.size());
  }

  // (B, C, H, W) uint8 there and back through the checkpoint's autoencoder, by the mean of its posterior.
  torch::Tensor Reconstruct(const torch::Tensor& real_BCHW) {
    const torch::Tensor images_BCHW = real_BCHW.to(device_, torch::kFloat32).div_(127.5).sub_(1);
    Autoencoder& autoencoder = loaded_.pipeline->autoencoder;
    const torch::Tensor decoded_BCHW = autoencoder->Decode(autoencoder->Encode(images_BCHW).mean_BCHW);
    return decoded_BCHW.add(1).mul_(127.5).round_().clamp_(0, 255).to(torch::kCPU, torch::kUInt8);
  }

  void ScoreAll() {
    const std::vector<int64_t> other = Derangement(generated_.n, options_.common.seed);
    Progress progress("scoring", generated_.n, "observations");
    for (int64_t first = 0; first < generated_.n; first += kBatch) {
      ThrowIfStopped("stopped; nothing was written");
      const int64_t end = std::min(first + kBatch, generated_.n);
      std::vector<torch::Tensor> real;
      for (int64_t i = first; i < end; ++i) real.push_back(generated_.LoadReal(i));
      const torch::Tensor real_BCHW = torch::stack(real), reconstructed_BCHW = Reconstruct(real_BCHW);
      for (int64_t i = first; i < end; ++i) {
        const torch::Tensor real_CHW = real_BCHW[i - first], samples_NCHW = generated_.LoadSamples(i);
        scores_.generated.Add(samples_NCHW, real_CHW);
        scores_.reconstructed.Add(reconstructed_BCHW.slice(0, i - first, i - first + 1), real_CHW);
        if (mean_image_CHW_.defined()) scores_.mean_image.Add(mean_image_CHW_.unsqueeze(0), real_CHW);
        if (generated_.n > 1) {
          scores_.shuffled.Add(samples_NCHW, generated_.LoadReal(other[static_cast<size_t>(i)]));
        }
      }
      progress.Add(end - first);
    }
  }

  Json MakeJson() const {
    const bool same_patient = dataset_.info().same_patient && generated_.split != Name(Split::kTrain);
    return {
        {"n", generated_.n},
        {"n_samples", generated_.num_samples},
        {"split", generated_.split},
        {"metrics", MetricsJson(scores_)},
        {"undefined", UndefinedJson(scores_)},
        {"same_patient", same_patient},
        {"note", same_patient ? "same patient: the training part holds other tissue of the patients scored here" : ""},
        {"checkpoint", generated_.checkpoint.string()},
        {"dataset", dataset_.path().string()},
        {"generated", generated_.path.string()},
        {"img_size", generated_.img_size},
        {"seed", options_.common.seed},
        {"version", kVersion},
        {"command_line", CommandLine()}};
  }

  Picture MakePicture() {
    Picture picture;
    for (const int64_t i : ChooseExamples(labels_, options_.examples)) {
      PictureColumn column;
      column.caption = labels_[static_cast<size_t>(i)].empty() ? generated_.observations[static_cast<size_t>(i)]
                                                               : labels_[static_cast<size_t>(i)];
      column.real = generated_.Load(i, 0);
      column.reconstructed = ImageOfBytes(Reconstruct(BytesOf(column.real).unsqueeze(0))[0]);
      for (int64_t k = 1; k <= std::min(generated_.num_samples, kPictureSamples); ++k) {
        column.samples.push_back(generated_.Load(i, k));
      }
      picture.columns.push_back(std::move(column));
    }
    return picture;
  }

  EvaluateOptions options_;
  GeneratedFolder generated_;
  Dataset dataset_;
  std::vector<int64_t> rows_;
  std::vector<std::string> labels_;
  torch::Device device_;
  LoadedPipeline loaded_;
  torch::Tensor mean_image_CHW_;  // 0 to 255; undefined when it is not asked for
  ComparedScores scores_;
};

}  // namespace

Json Evaluate(const EvaluateOptions& options) { return Evaluation(options).Run(); }

}  // namespace genvinci
