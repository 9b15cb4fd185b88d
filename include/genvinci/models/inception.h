#pragma once

#include <torch/torch.h>

#include <memory>
#include <vector>

namespace genvinci {

class InceptionConvImpl;
class InceptionStageImpl;

// Inception-v3 as FID reads it (Szegedy et al. 2016; the TensorFlow network of 2015-12-05, whose pooling leaves padding
// out of its means and whose last block takes the maximum). Parameters are called as in torch-fidelity's and
// pytorch-fid's file (Conv2d_1a_3x3.conv.weight, ..., Mixed_7c.branch_pool.bn.running_var, fc.bias).
class InceptionImpl : public torch::nn::Module {
 public:
  InceptionImpl();

  // images_BCHW: uint8, three channels, any size: resized to 299 px as TensorFlow 1 does, scaled to [-1, 1). The 2,048
  // features of the last pooling ("pool3"): (B, 2048). In evaluation mode. The file's classifier (fc) is not read.
  torch::Tensor forward(const torch::Tensor& images_BCHW);

 private:
  std::vector<std::shared_ptr<InceptionConvImpl>> stem_;
  std::vector<std::shared_ptr<InceptionStageImpl>> stages_;
};
TORCH_MODULE(Inception);

// Bilinear resizing as TensorFlow 1's resize_bilinear has it without align_corners: output pixel i is read at
// i * in / out. Floating images (B, C, H, W).
torch::Tensor ResizeAsTensorFlow1(const torch::Tensor& images_BCHW, int64_t height, int64_t width);

}  // namespace genvinci
