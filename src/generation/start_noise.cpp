#include "start_noise.h"

#include <fmt/ranges.h>

#include <functional>
#include <numeric>

#include "genvinci/core/error.h"
#include "genvinci/core/text.h"

namespace genvinci {
namespace {

std::string ShapeText(const std::vector<int64_t>& shape) {
  std::vector<std::string> sides;
  for (const int64_t side : shape) sides.push_back(std::to_string(side));
  return "(" + JoinText(sides, ", ") + ")";
}

}  // namespace

StartNoiseFile::StartNoiseFile(const fs::path& path, const std::vector<int64_t>& shape)
    : file_(path), item_shape_(shape.begin() + 2, shape.end()) {
  const TensorView& view = file_.View("noise");
  if (view.shape != shape || !torch::isFloatingType(ToTorch(view.dtype))) {
    throw DataError("NOISE_SHAPE",
                    "{}: tensor 'noise' is {} {}; observations, samples, channels, height and width must "
                    "be {}, as floating numbers",
                    path.string(), Name(view.dtype), ShapeText(view.shape), ShapeText(shape));
  }
}

torch::Tensor StartNoiseFile::Item(int64_t index) const {
  const TensorView& view = file_.View("noise");
  const int64_t numel = std::accumulate(item_shape_.begin(), item_shape_.end(), int64_t{1}, std::multiplies<>());
  const size_t bytes = static_cast<size_t>(numel) * SizeOf(view.dtype);
  return ToTensor({view.dtype, item_shape_, view.bytes.subspan(static_cast<size_t>(index) * bytes, bytes)})
      .to(torch::kFloat32);
}

}  // namespace genvinci
