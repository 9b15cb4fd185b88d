#include "genvinci/models/lpips.h"

#include "genvinci/core/error.h"
#include "genvinci/nn/registry.h"

namespace genvinci {
namespace {

constexpr double kLengthEps = 1e-10;  // under a feature vector of length 0

struct AlexNetConv {
  const char* name;
  int64_t in, out, kernel, stride, padding;
};
// AlexNet (Krizhevsky 2014), its five convolutions; those after the first and second pool come behind a pooling.
constexpr AlexNetConv kConvs[] = {{"net.slice1.0", 3, 64, 11, 4, 2},
                                  {"net.slice2.3", 64, 192, 5, 1, 2},
                                  {"net.slice3.6", 192, 384, 3, 1, 1},
                                  {"net.slice4.8", 384, 256, 3, 1, 1},
                                  {"net.slice5.10", 256, 256, 3, 1, 1}};
constexpr size_t kLastPooled = 2;

// Mean and deviation of ImageNet's channels, for images in [-1, 1].
torch::Tensor Scaled(const torch::Tensor& images_BCHW) {
  const auto channels = [&](double r, double g, double b) {
    return torch::tensor({r, g, b}).to(images_BCHW.options()).view({1, 3, 1, 1});
  };
  return (images_BCHW - channels(-0.030, -0.088, -0.188)) / channels(0.458, 0.448, 0.450);
}

torch::Tensor UnitChannels(const torch::Tensor& features_BCHW) {
  return features_BCHW / (features_BCHW.square().sum(1, /*keepdim=*/true).sqrt() + kLengthEps);
}

}  // namespace

LpipsImpl::LpipsImpl() {
  for (size_t i = 0; i < std::size(kConvs); ++i) {
    const AlexNetConv& spec = kConvs[i];
    const auto conv =
        torch::nn::Conv2dOptions(spec.in, spec.out, spec.kernel).stride(spec.stride).padding(spec.padding);
    convs_.push_back(RegisterAt(*this, spec.name, torch::nn::Conv2d(conv)));
    const auto weight = torch::nn::Conv2dOptions(spec.out, 1, 1).bias(false);
    weights_.push_back(RegisterAt(*this, "lin" + std::to_string(i) + ".model.1", torch::nn::Conv2d(weight)));
  }
}

std::vector<torch::Tensor> LpipsImpl::Features(const torch::Tensor& images_BCHW) {
  std::vector<torch::Tensor> features;
  torch::Tensor x = Scaled(images_BCHW);
  for (size_t i = 0; i < convs_.size(); ++i) {
    if (i >= 1 && i <= kLastPooled) x = torch::max_pool2d(x, 3, 2);
    features.push_back(x = torch::relu(convs_[i](x)));
  }
  return features;
}

torch::Tensor LpipsImpl::forward(const torch::Tensor& x_BCHW, const torch::Tensor& y_BCHW) {
  GENVINCI_CHECK(x_BCHW.dim() == 4 && x_BCHW.size(1) == 3 && x_BCHW.sizes() == y_BCHW.sizes(),
                 "LPIPS compares two equal batches of RGB images");
  const std::vector<torch::Tensor> x = Features(x_BCHW), y = Features(y_BCHW);
  torch::Tensor distance;
  for (size_t i = 0; i < x.size(); ++i) {
    const torch::Tensor difference = (UnitChannels(x[i]) - UnitChannels(y[i])).square();
    const torch::Tensor layer = weights_[i](difference).mean({2, 3}, /*keepdim=*/true);
    distance = distance.defined() ? distance + layer : layer;
  }
  return distance;
}

}  // namespace genvinci
