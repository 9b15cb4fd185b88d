#pragma once

#include <torch/torch.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "genvinci/io/image.h"
#include "genvinci/io/safetensors.h"

namespace genvinci {

using NamedTensors = std::vector<std::pair<std::string, torch::Tensor>>;

torch::ScalarType ToTorch(DType dtype);
DType FromTorch(torch::ScalarType dtype);  // InternalError for one that safetensors lacks

// A copy that owns its memory.
torch::Tensor ToTensor(const TensorView& view);
// The view's own memory as a tensor, which must not be written to and not outlive it; copied where the bytes do not lie
// as the type asks for.
torch::Tensor BorrowTensor(const TensorView& view);
// The same, which keeps `owner` alive as long as it lives.
torch::Tensor BorrowTensor(const TensorView& view, std::shared_ptr<const void> owner);
// A view into a contiguous CPU tensor.
TensorView ViewOf(const torch::Tensor& tensor);

// Contiguous CPU copies are made where needed. Returns the file's SHA-256.
std::string WriteTensors(const fs::path& path, const NamedTensors& tensors,
                         const std::map<std::string, std::string>& metadata = {});

// Parameters and buffers by name, with `prefix` + "." in front.
NamedTensors StateOf(const torch::nn::Module& module, const std::string& prefix);
// Copies every parameter and buffer of `module` from the file. A missing, surplus (within the prefix) or mis-shaped
// tensor is a DataError (CKPT_TENSORS) that lists the first ten.
void LoadState(torch::nn::Module& module, const std::string& prefix, const TensorFile& file, const fs::path& path);

// 8-bit image(s) <-> float in [-1, 1], (C, H, W).
torch::Tensor ImageToTensor(const Image& image);
Image TensorToImage(const torch::Tensor& image_CHW);  // clamped, rounded to nearest

}  // namespace genvinci
