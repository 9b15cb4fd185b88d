#include "genvinci/weights/load.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <set>

#include "genvinci/core/error.h"
#include "genvinci/core/log.h"
#include "genvinci/core/text.h"
#include "genvinci/tensor/convert.h"
#include "genvinci/tensor/skip_init.h"

namespace genvinci {
namespace {

constexpr size_t kListed = 10;

bool StartsWithAny(const std::string& name, const std::vector<std::string>& beginnings) {
  return std::any_of(beginnings.begin(), beginnings.end(), [&](const auto& start) { return name.starts_with(start); });
}

std::vector<int64_t> WithoutTrailingOnes(std::vector<int64_t> shape) {
  while (!shape.empty() && shape.back() == 1) shape.pop_back();
  return shape;
}

std::string ShapeText(const std::vector<int64_t>& shape) { return fmt::format("[{}]", fmt::join(shape, ", ")); }

class Loader {
 public:
  Loader(torch::nn::Module& module, const WeightSource& source, const Layout& layout, const LoadOptions& options)
      : state_(StateOf(module, "")), source_(source), layout_(layout), options_(options) {}

  void Check() {
    for (const auto& [name, tensor] : state_) Find(name, tensor);
    FindSurplus();
    if (!report_.problems.empty()) Tell();
  }

  LoadReport Load() {
    Check();
    const auto start = std::chrono::steady_clock::now();
    const torch::NoGradGuard no_grad;
    std::vector<std::string> in_place;
    for (Match& match : matched_) {
      if (!StaysInFile(match)) continue;
      in_place.push_back(match.theirs);
      // Frees the model's initial memory before the file's pages are read.
      match.tensor.set_data(torch::empty({0}, match.tensor.options()));
    }
    source_.Fetch(in_place);
    uint64_t bytes = 0;
    for (Match& match : matched_) {
      Take(match);
      bytes += match.tensor.nbytes();
    }
    report_.loaded = static_cast<int64_t>(matched_.size());
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    Log("{}: {} tensors, {}, in {:.2f} s", source_.path().string(), report_.loaded,
        HumanBytes(static_cast<double>(bytes)), seconds.count());
    return report_;
  }

 private:
  struct Match {
    torch::Tensor tensor;
    std::string theirs;
    std::vector<int64_t> shape;
  };

  bool StaysInFile(const Match& match) const {
    return options_.in_place && match.tensor.is_cpu() && match.tensor.is_contiguous() && match.tensor.numel() > 0 &&
           ToTorch(source_.Type(match.theirs)) == match.tensor.scalar_type();
  }

  void Take(Match& match) const {
    if (match.tensor.sizes() != match.shape) {
      match.tensor.set_data(BorrowTensor(source_.View(match.theirs), source_.OwnerOf(match.theirs)).view(match.shape));
      return;
    }
    // One tensor at a time: the whole file in memory beside the model would take twice the room.
    source_.Fetch({match.theirs});
    match.tensor.copy_(BorrowTensor(source_.View(match.theirs)).view(match.shape));
    source_.Release(match.theirs);
  }

  void Find(const std::string& ours, const torch::Tensor& tensor) {
    const std::string theirs = layout_.theirs(ours);
    if (!source_.Has(theirs)) {
      if (ours.ends_with("num_batches_tracked") || StartsWithAny(ours, options_.optional)) return;
      report_.problems.push_back(theirs + " is missing" + DidYouMean(theirs, source_.names()));
      return;
    }
    wanted_.insert(theirs);
    const std::vector<int64_t>& shape = source_.Shape(theirs);
    if (shape != tensor.sizes().vec() && WithoutTrailingOnes(shape) != WithoutTrailingOnes(tensor.sizes().vec())) {
      report_.problems.push_back(
          fmt::format("{} has shape {}, the model {}", theirs, ShapeText(shape), ShapeText(tensor.sizes().vec())));
      return;
    }
    matched_.push_back({tensor, theirs, tensor.sizes().vec()});
  }

  void FindSurplus() {
    for (const std::string& name : source_.names()) {
      if (!name.starts_with(layout_.prefix) || wanted_.count(name) > 0) continue;
      const std::string inner = name.substr(layout_.prefix.size());
      if (StartsWithAny(inner, layout_.unused) || name.ends_with("num_batches_tracked")) continue;
      report_.problems.push_back(name + " is not in the model");
    }
  }

  void Tell() const {
    std::vector<std::string> first = report_.problems;
    const size_t count = first.size();
    first.resize(std::min(count, kListed));
    const std::string text =
        fmt::format("{}: {} of its tensors do not fit the model ({} names): {}{}", source_.path().string(), count,
                    layout_.kind, JoinText(first, "; "), count > kListed ? "; ..." : "");
    if (!options_.partial)
      throw DataError("WEIGHTS_TENSORS", "{}: give other weights, or --partial to take what fits", text);
    Warn("{}: the rest is left as it was made", text);
  }

  NamedTensors state_;
  const WeightSource& source_;
  const Layout& layout_;
  const LoadOptions& options_;
  LoadReport report_;
  std::set<std::string> wanted_;
  std::vector<Match> matched_;
};

Layout Need(const std::optional<Layout>& found, const WeightSource& source, const char* what) {
  if (found) return *found;
  throw DataError("WEIGHTS_MODEL", "{}: holds no {} by the names of any known kind", source.path().string(), what);
}

// The model that `make` makes, without its random initial values, which loading overwrites; with --partial they are
// drawn, as some are kept.
template <typename Make>
auto Loaded(const Make& make, const WeightSource& source, const Layout& layout, const LoadOptions& options) {
  std::optional<SkipRandomInit> skip;
  if (!options.partial) skip.emplace();
  auto model = make();
  skip.reset();
  LoadOptions in_place = options;
  in_place.in_place = true;
  LoadWeights(*model, source, layout, in_place);
  model->eval();
  return model;
}

}  // namespace

LoadReport LoadWeights(torch::nn::Module& module, const WeightSource& source, const Layout& layout,
                       const LoadOptions& options) {
  return Loader(module, source, layout, options).Load();
}

void RequireFit(torch::nn::Module& module, const WeightSource& source, const Layout& layout,
                const LoadOptions& options) {
  Loader(module, source, layout, options).Check();
}

void LoadTransformerWeights(const WeightSource& source, GeneTransformer& transformer) {
  const Layout layout = Need(FindGeneTransformer(source), source, "gene transformer");
  LoadWeights(*transformer, source, layout, {.optional = {"cls."}});
}

void LoadUNetWeights(const WeightSource& source, UNet& unet) {
  LoadWeights(*unet, source, Need(FindUNet(source), source, "UNet"));
}

UNet OpenUNet(const WeightSource& source, const LoadOptions& options) {
  const Layout layout = Need(FindUNet(source), source, "UNet");
  return Loaded([&] { return UNet(InferUNet(source, layout)); }, source, layout, options);
}

Autoencoder OpenAutoencoder(const WeightSource& source, const LoadOptions& options) {
  const Layout layout = Need(FindAutoencoder(source), source, "autoencoder");
  return Loaded([&] { return Autoencoder(InferAutoencoder(source, layout)); }, source, layout, options);
}

GeneTransformer OpenGeneTransformer(const WeightSource& source, bool with_head, LoadOptions options) {
  const Layout layout = Need(FindGeneTransformer(source), source, "gene transformer");
  if (!with_head) options.optional.push_back("cls.");
  return Loaded([&] { return GeneTransformer(InferGeneTransformer(source, layout)); }, source, layout, options);
}

std::shared_ptr<ConditionerImpl> OpenConditioner(const WeightSource& source, const GeneTransformerConfig& transformer,
                                                 LoadOptions options) {
  const Layout layout = Need(FindConditioner(source), source, "conditioner");
  if (!HasTimePath(source)) options.optional.push_back("time_embed_condtion.");
  return Loaded([&] { return MakeConditioner(InferConditioner(source, layout), transformer); }, source, layout,
                options);
}

bool HasTimePath(const WeightSource& source) {
  std::string prefix;
  return source.FindPrefix("time_embed_condtion.0.weight", prefix) ||
         !source.FindPrefix("channel_mapper.0.weight", prefix);
}

VisionTransformer OpenVisionTransformer(const WeightSource& source, const LoadOptions& options) {
  const Layout layout = Need(FindVisionTransformer(source), source, "vision transformer");
  return Loaded([&] { return VisionTransformer(InferVisionTransformer(source, layout)); }, source, layout, options);
}

Inception OpenInception(const WeightSource& source, const LoadOptions& options) {
  return Loaded([] { return Inception(); }, source, Need(FindInception(source), source, "Inception-v3"), options);
}

Lpips OpenLpips(const WeightSource& source, const LoadOptions& options) {
  return Loaded([] { return Lpips(); }, source, Need(FindLpips(source), source, "LPIPS"), options);
}

}  // namespace genvinci
