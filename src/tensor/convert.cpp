#include "genvinci/tensor/convert.h"

#include <algorithm>
#include <cstring>
#include <set>

#include "genvinci/core/error.h"
#include "genvinci/core/text.h"
#include "genvinci/tensor/byte_scale.h"

namespace genvinci {
namespace {

constexpr std::pair<DType, torch::ScalarType> kTypes[] = {
    {DType::kF64, torch::kFloat64},   {DType::kF32, torch::kFloat32}, {DType::kF16, torch::kFloat16},
    {DType::kBF16, torch::kBFloat16}, {DType::kI64, torch::kInt64},   {DType::kI32, torch::kInt32},
    {DType::kI16, torch::kInt16},     {DType::kI8, torch::kInt8},     {DType::kU8, torch::kUInt8},
    {DType::kBool, torch::kBool},
};
constexpr size_t kListed = 10;

std::string ShapeText(torch::IntArrayRef shape) {
  std::vector<std::string> sides;
  for (const int64_t side : shape) sides.push_back(std::to_string(side));
  return "[" + JoinText(sides, ", ") + "]";
}

bool IsFloat(DType dtype) { return torch::isFloatingType(ToTorch(dtype)); }

// What keeps `view` from going into `tensor`, or "".
std::string Misfit(const torch::Tensor& tensor, const TensorView& view) {
  if (tensor.sizes() != torch::IntArrayRef(view.shape)) {
    return "has shape " + ShapeText(view.shape) + ", the model " + ShapeText(tensor.sizes());
  }
  if (torch::isFloatingType(tensor.scalar_type()) != IsFloat(view.dtype)) {
    return "holds " + std::string(Name(view.dtype)) + ", the model " +
           std::string(Name(FromTorch(tensor.scalar_type())));
  }
  return "";
}

std::vector<std::string> StateProblems(const NamedTensors& state, const std::string& prefix, const TensorFile& file) {
  std::vector<std::string> problems;
  std::set<std::string> wanted;
  for (const auto& [name, tensor] : state) {
    wanted.insert(name);
    if (!file.Has(name)) {
      problems.push_back(name + " is missing");
    } else if (const std::string misfit = Misfit(tensor, file.View(name)); !misfit.empty()) {
      problems.push_back(name + " " + misfit);
    }
  }
  for (const std::string& name : file.names()) {
    const bool ours = prefix.empty() || name.starts_with(prefix + ".");
    if (ours && wanted.count(name) == 0) problems.push_back(name + " is not in the model");
  }
  return problems;
}

}  // namespace

torch::ScalarType ToTorch(DType dtype) {
  for (const auto& [ours, torchs] : kTypes) {
    if (ours == dtype) return torchs;
  }
  throw InternalError("TENSOR_DTYPE", "no tensor type for {}", Name(dtype));
}

DType FromTorch(torch::ScalarType dtype) {
  for (const auto& [ours, torchs] : kTypes) {
    if (torchs == dtype) return ours;
  }
  throw InternalError("TENSOR_DTYPE", "tensors of type {} cannot be written", torch::toString(dtype));
}

torch::Tensor ToTensor(const TensorView& view) {
  torch::Tensor tensor = torch::empty(view.shape, ToTorch(view.dtype));
  GENVINCI_CHECK(tensor.nbytes() == view.bytes.size(), "{} bytes for {}", view.bytes.size(), tensor.nbytes());
  if (!view.bytes.empty()) std::memcpy(tensor.data_ptr(), view.bytes.data(), view.bytes.size());
  return tensor;
}

torch::Tensor BorrowTensor(const TensorView& view) { return BorrowTensor(view, nullptr); }

torch::Tensor BorrowTensor(const TensorView& view, std::shared_ptr<const void> owner) {
  if (view.bytes.empty() || reinterpret_cast<uintptr_t>(view.bytes.data()) % SizeOf(view.dtype) != 0)
    return ToTensor(view);
  return torch::from_blob(
      const_cast<std::byte*>(view.bytes.data()), view.shape, [owner = std::move(owner)](void*) {}, ToTorch(view.dtype));
}

TensorView ViewOf(const torch::Tensor& tensor) {
  GENVINCI_CHECK(tensor.is_cpu() && tensor.is_contiguous(), "a view needs a contiguous CPU tensor");
  const auto* bytes = static_cast<const std::byte*>(tensor.const_data_ptr());
  return {FromTorch(tensor.scalar_type()), tensor.sizes().vec(), {bytes, tensor.nbytes()}};
}

std::string WriteTensors(const fs::path& path, const NamedTensors& tensors,
                         const std::map<std::string, std::string>& metadata) {
  std::vector<torch::Tensor> owners;
  std::vector<std::pair<std::string, TensorView>> views;
  for (const auto& [name, tensor] : tensors) {
    owners.push_back(tensor.detach().to(torch::kCPU).contiguous());
    views.emplace_back(name, ViewOf(owners.back()));
  }
  return WriteSafetensors(path, views, metadata);
}

NamedTensors StateOf(const torch::nn::Module& module, const std::string& prefix) {
  const std::string start = prefix.empty() ? "" : prefix + ".";
  NamedTensors state;
  for (const auto& item : module.named_parameters()) state.emplace_back(start + item.key(), item.value());
  for (const auto& item : module.named_buffers()) state.emplace_back(start + item.key(), item.value());
  return state;
}

void LoadState(torch::nn::Module& module, const std::string& prefix, const TensorFile& file, const fs::path& path) {
  const NamedTensors state = StateOf(module, prefix);
  std::vector<std::string> problems = StateProblems(state, prefix, file);
  if (!problems.empty()) {
    const size_t count = problems.size();
    problems.resize(std::min(count, kListed));
    throw DataError("CKPT_TENSORS",
                    "{}: {} of its tensors do not fit the model ({}{}): use the model size it was "
                    "trained with",
                    path.string(), count, JoinText(problems, "; "), count > kListed ? "; ..." : "");
  }
  const torch::NoGradGuard no_grad;
  // Read in place: a copy of a large model, or its whole file beside it, would double its memory.
  for (const auto& [name, tensor] : state) {
    file.Fetch({name});
    torch::Tensor(tensor).copy_(BorrowTensor(file.View(name)));
    file.Release(name);
  }
}

torch::Tensor ImageToTensor(const Image& image) {
  const bool wide = image.bits == 16;
  GENVINCI_CHECK(wide || image.bits == 8, "{} bits", image.bits);
  // from_blob does not write; the values are copied by the division.
  void* pixels = const_cast<uint8_t*>(image.bytes.data());
  const torch::Tensor whole_HWC =
      torch::from_blob(pixels, {image.height, image.width, image.channels}, wide ? torch::kUInt16 : torch::kUInt8);
  const double half_range = (wide ? 65535.0 : 255.0) / 2;
  return whole_HWC.permute({2, 0, 1})
      .to(torch::kFloat32, /*non_blocking=*/false, /*copy=*/true, at::MemoryFormat::Contiguous)
      .div_(half_range)
      .sub_(1);
}

Image TensorToImage(const torch::Tensor& image_CHW) {
  GENVINCI_CHECK(image_CHW.dim() == 3, "{} axes", image_CHW.dim());
  const torch::Tensor bytes_HWC = ToByteScale(image_CHW.detach().to(torch::kCPU, torch::kFloat32))
                                      .to(torch::kUInt8)
                                      .permute({1, 2, 0})
                                      .contiguous();
  Image image(image_CHW.size(2), image_CHW.size(1), image_CHW.size(0));
  std::memcpy(image.bytes.data(), bytes_HWC.const_data_ptr(), image.bytes.size());
  return image;
}

}  // namespace genvinci
