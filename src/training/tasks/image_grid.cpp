#include "genvinci/training/tasks/image_grid.h"

#include <fmt/format.h>

#include <algorithm>

#include "genvinci/core/version.h"
#include "genvinci/tensor/convert.h"

namespace genvinci {
namespace {

constexpr int64_t kGap = 2;

torch::Tensor Composite(const torch::Tensor& image_CHW) {
  const torch::Tensor image = image_CHW.to(torch::kCPU);
  const int64_t channels = image.size(0);
  if (channels == 1 || channels == 3) return image;
  if (channels > 3) return image.narrow(0, 0, 3);
  return torch::cat({image, torch::full_like(image.narrow(0, 0, 1), -1)});
}

}  // namespace

Image ImageGrid(const std::vector<std::vector<torch::Tensor>>& rows) {
  size_t columns = 0;
  for (const auto& row : rows) columns = std::max(columns, row.size());
  const Image first = TensorToImage(Composite(rows.at(0).at(0)));
  const int64_t width = static_cast<int64_t>(columns) * (first.width + kGap) - kGap;
  Image grid(width, static_cast<int64_t>(rows.size()) * (first.height + kGap) - kGap, first.channels);
  std::fill(grid.bytes.begin(), grid.bytes.end(), uint8_t{255});
  for (size_t y = 0; y < rows.size(); ++y) {
    for (size_t x = 0; x < rows[y].size(); ++x) {
      Paste(grid, TensorToImage(Composite(rows[y][x])), static_cast<int64_t>(x) * (first.width + kGap),
            static_cast<int64_t>(y) * (first.height + kGap));
    }
  }
  return grid;
}

void WriteSampleGrid(const fs::path& run, int64_t step, const std::vector<std::vector<torch::Tensor>>& rows) {
  MakeFolder(run / "samples");
  WritePng(run / "samples" / fmt::format("step-{}.png", step), ImageGrid(rows),
           {{"Description", "partly synthetic: see run.json"}, {"Software", std::string("genvinci ") + kVersion}});
}

}  // namespace genvinci
