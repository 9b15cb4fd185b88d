#pragma once

#include <torch/torch.h>

#include <string>
#include <vector>

#include "genvinci/io/image.h"

namespace genvinci {

// Images in [-1, 1] side by side: a row for each entry, a column for each of its images (C, H, W), 2 px between them.
// One channel is grey, three are RGB; two and four or more show their first ones as red, green and blue.
Image ImageGrid(const std::vector<std::vector<torch::Tensor>>& rows);

// <run>/samples/step-<step>.png, marked as synthetic.
void WriteSampleGrid(const fs::path& run, int64_t step, const std::vector<std::vector<torch::Tensor>>& rows);

}  // namespace genvinci
