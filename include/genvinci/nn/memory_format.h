#pragma once

#include <torch/torch.h>

namespace genvinci {

// Four-dimensional parameters to channels-last, in place: oneDNN's convolutions are fastest so on a CPU.
void UseChannelsLast(torch::nn::Module& module);

}  // namespace genvinci
