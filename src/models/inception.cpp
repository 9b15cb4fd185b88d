#include "genvinci/models/inception.h"

#include <string>
#include <vector>

#include "genvinci/core/error.h"
#include "genvinci/nn/registry.h"

namespace genvinci {
namespace {

constexpr double kBatchNormEps = 1e-3;
constexpr int64_t kSide = 299;

struct ConvSpec {
  const char* name;
  int64_t out, height, width;
  int64_t stride = 1;
  bool padded = true;  // so that stride 1 keeps the size
};

torch::Tensor MeanPool(const torch::Tensor& x) {
  return torch::avg_pool2d(x, 3, 1, 1, /*ceil_mode=*/false, /*count_include_pad=*/false);
}
torch::Tensor HalvingMaxPool(const torch::Tensor& x) { return torch::max_pool2d(x, 3, 2); }

}  // namespace

// A convolution without bias, batch norm and ReLU.
class InceptionConvImpl : public torch::nn::Module {
 public:
  InceptionConvImpl(int64_t in, const ConvSpec& spec) {
    auto options = torch::nn::Conv2dOptions(in, spec.out, {spec.height, spec.width}).stride(spec.stride).bias(false);
    if (spec.padded) options = options.padding(torch::ExpandingArray<2>({spec.height / 2, spec.width / 2}));
    conv_ = register_module("conv", torch::nn::Conv2d(options));
    norm_ = register_module("bn", torch::nn::BatchNorm2d(torch::nn::BatchNorm2dOptions(spec.out).eps(kBatchNormEps)));
  }
  torch::Tensor forward(const torch::Tensor& x) { return torch::relu(norm_(conv_(x))); }

 private:
  torch::nn::Conv2d conv_{nullptr};
  torch::nn::BatchNorm2d norm_{nullptr};
};

// A block: branches side by side, whose outputs are put together channel by channel.
class InceptionStageImpl : public torch::nn::Module {
 public:
  using Pool = torch::Tensor (*)(const torch::Tensor&);

  explicit InceptionStageImpl(int64_t in) : in_(in) {}

  // Convolutions one after the other; `split` of them at the end work side by side on the same input.
  void AddBranch(const std::vector<ConvSpec>& specs, int64_t split = 0, Pool pool = nullptr) {
    Branch branch{pool, {}, {}};
    int64_t channels = in_;
    const size_t chained = specs.size() - static_cast<size_t>(split);
    for (size_t i = 0; i < specs.size(); ++i) {
      const auto unit = register_module(specs[i].name, std::make_shared<InceptionConvImpl>(channels, specs[i]));
      (i < chained ? branch.chain : branch.split).push_back(unit);
      if (i < chained) channels = specs[i].out;
    }
    branches_.push_back(std::move(branch));
  }
  void AddPool(Pool pool) { branches_.push_back({pool, {}, {}}); }

  torch::Tensor forward(const torch::Tensor& x) {
    std::vector<torch::Tensor> outputs;
    for (const Branch& branch : branches_) {
      torch::Tensor y = branch.pool ? branch.pool(x) : x;
      for (const auto& unit : branch.chain) y = unit->forward(y);
      for (const auto& unit : branch.split) outputs.push_back(unit->forward(y));
      if (branch.split.empty()) outputs.push_back(y);
    }
    return torch::cat(outputs, 1);
  }

 private:
  struct Branch {
    Pool pool;
    std::vector<std::shared_ptr<InceptionConvImpl>> chain, split;
  };

  int64_t in_;
  std::vector<Branch> branches_;
};

namespace {

using Stage = std::shared_ptr<InceptionStageImpl>;

// At 35 x 35.
Stage MakeA(int64_t in, int64_t pooled) {
  auto stage = std::make_shared<InceptionStageImpl>(in);
  stage->AddBranch({{"branch1x1", 64, 1, 1}});
  stage->AddBranch({{"branch5x5_1", 48, 1, 1}, {"branch5x5_2", 64, 5, 5}});
  stage->AddBranch({{"branch3x3dbl_1", 64, 1, 1}, {"branch3x3dbl_2", 96, 3, 3}, {"branch3x3dbl_3", 96, 3, 3}});
  stage->AddBranch({{"branch_pool", pooled, 1, 1}}, 0, MeanPool);
  return stage;
}

// From 35 to 17.
Stage MakeB(int64_t in) {
  auto stage = std::make_shared<InceptionStageImpl>(in);
  stage->AddBranch({{"branch3x3", 384, 3, 3, 2, false}});
  stage->AddBranch(
      {{"branch3x3dbl_1", 64, 1, 1}, {"branch3x3dbl_2", 96, 3, 3}, {"branch3x3dbl_3", 96, 3, 3, 2, false}});
  stage->AddPool(HalvingMaxPool);
  return stage;
}

// At 17 x 17.
Stage MakeC(int64_t in, int64_t width) {
  auto stage = std::make_shared<InceptionStageImpl>(in);
  stage->AddBranch({{"branch1x1", 192, 1, 1}});
  stage->AddBranch({{"branch7x7_1", width, 1, 1}, {"branch7x7_2", width, 1, 7}, {"branch7x7_3", 192, 7, 1}});
  stage->AddBranch({{"branch7x7dbl_1", width, 1, 1},
                    {"branch7x7dbl_2", width, 7, 1},
                    {"branch7x7dbl_3", width, 1, 7},
                    {"branch7x7dbl_4", width, 7, 1},
                    {"branch7x7dbl_5", 192, 1, 7}});
  stage->AddBranch({{"branch_pool", 192, 1, 1}}, 0, MeanPool);
  return stage;
}

// From 17 to 8.
Stage MakeD(int64_t in) {
  auto stage = std::make_shared<InceptionStageImpl>(in);
  stage->AddBranch({{"branch3x3_1", 192, 1, 1}, {"branch3x3_2", 320, 3, 3, 2, false}});
  stage->AddBranch({{"branch7x7x3_1", 192, 1, 1},
                    {"branch7x7x3_2", 192, 1, 7},
                    {"branch7x7x3_3", 192, 7, 1},
                    {"branch7x7x3_4", 192, 3, 3, 2, false}});
  stage->AddPool(HalvingMaxPool);
  return stage;
}

torch::Tensor MaxPool(const torch::Tensor& x) { return torch::max_pool2d(x, 3, 1, 1); }

// At 8 x 8.
Stage MakeE(int64_t in, InceptionStageImpl::Pool pool) {
  auto stage = std::make_shared<InceptionStageImpl>(in);
  stage->AddBranch({{"branch1x1", 320, 1, 1}});
  stage->AddBranch({{"branch3x3_1", 384, 1, 1}, {"branch3x3_2a", 384, 1, 3}, {"branch3x3_2b", 384, 3, 1}}, 2);
  stage->AddBranch({{"branch3x3dbl_1", 448, 1, 1},
                    {"branch3x3dbl_2", 384, 3, 3},
                    {"branch3x3dbl_3a", 384, 1, 3},
                    {"branch3x3dbl_3b", 384, 3, 1}},
                   2);
  stage->AddBranch({{"branch_pool", 192, 1, 1}}, 0, pool);
  return stage;
}

// Rows or columns of `axis` at i * in / out, between their two neighbours.
torch::Tensor ResizeAxis(const torch::Tensor& images, int64_t axis, int64_t size) {
  const int64_t in = images.size(axis);
  const double scale = static_cast<double>(in) / static_cast<double>(size);
  const torch::Tensor at = torch::arange(size, torch::kFloat32).mul(scale).to(images.device());
  const torch::Tensor low = at.floor().to(torch::kInt64), high = (low + 1).clamp_max(in - 1);
  std::vector<int64_t> shape(4, 1);
  shape[static_cast<size_t>(axis)] = size;
  const torch::Tensor part = (at - low).to(images.scalar_type()).view(shape);
  const torch::Tensor below = images.index_select(axis, low);
  return below + (images.index_select(axis, high) - below) * part;
}

}  // namespace

InceptionImpl::InceptionImpl() {
  const auto stem = [&](int64_t in, const ConvSpec& spec) {
    stem_.push_back(register_module(spec.name, std::make_shared<InceptionConvImpl>(in, spec)));
  };
  stem(3, {"Conv2d_1a_3x3", 32, 3, 3, 2, false});
  stem(32, {"Conv2d_2a_3x3", 32, 3, 3, 1, false});
  stem(32, {"Conv2d_2b_3x3", 64, 3, 3});
  stem(64, {"Conv2d_3b_1x1", 80, 1, 1});
  stem(80, {"Conv2d_4a_3x3", 192, 3, 3, 1, false});
  const auto add = [&](const char* name, const Stage& stage) { stages_.push_back(register_module(name, stage)); };
  add("Mixed_5b", MakeA(192, 32));
  add("Mixed_5c", MakeA(256, 64));
  add("Mixed_5d", MakeA(288, 64));
  add("Mixed_6a", MakeB(288));
  add("Mixed_6b", MakeC(768, 128));
  add("Mixed_6c", MakeC(768, 160));
  add("Mixed_6d", MakeC(768, 160));
  add("Mixed_6e", MakeC(768, 192));
  add("Mixed_7a", MakeD(768));
  add("Mixed_7b", MakeE(1280, MeanPool));
  add("Mixed_7c", MakeE(2048, MaxPool));
}

torch::Tensor InceptionImpl::forward(const torch::Tensor& images_BCHW) {
  GENVINCI_CHECK(images_BCHW.dim() == 4 && images_BCHW.size(1) == 3 && images_BCHW.scalar_type() == torch::kUInt8,
                 "Inception reads 8-bit RGB images (B, 3, H, W)");
  const torch::Tensor resized = ResizeAsTensorFlow1(images_BCHW.to(torch::kFloat32), kSide, kSide);
  torch::Tensor x = (resized - 128) / 128;
  for (size_t i = 0; i < stem_.size(); ++i) {
    x = stem_[i]->forward(x);
    if (i == 2 || i == 4) x = HalvingMaxPool(x);
  }
  for (const auto& stage : stages_) x = stage->forward(x);
  return x.mean({2, 3});
}

torch::Tensor ResizeAsTensorFlow1(const torch::Tensor& images_BCHW, int64_t height, int64_t width) {
  return ResizeAxis(ResizeAxis(images_BCHW, 3, width), 2, height);
}

}  // namespace genvinci
