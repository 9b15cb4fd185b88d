#pragma once

#include <torch/torch.h>

namespace genvinci {

// Scores of pairs of images a, b: (N, C, H, W) on the 8-bit scale, uint8 or floating with values from 0 to 255. Each
// returns one score an image, (N) float64 on the CPU. Images of different shapes are an InternalError.

// Mean squared difference of the pixel values / 255: 0 is equal, 1 is black against white.
torch::Tensor MeanSquaredError(const torch::Tensor& a_NCHW, const torch::Tensor& b_NCHW);

// 10 log10(255^2 / mean squared difference on the 8-bit scale) in dB, as scikit-image's peak_signal_noise_ratio with
// data_range=255; infinite for equal images.
torch::Tensor PeakSignalToNoise(const torch::Tensor& a_NCHW, const torch::Tensor& b_NCHW);

// Pearson's correlation of all pixels and channels, flattened, as numpy.corrcoef; NaN where an image is constant.
torch::Tensor PixelCorrelation(const torch::Tensor& a_NCHW, const torch::Tensor& b_NCHW);

// Structural similarity (Wang et al. 2004), as scikit-image's structural_similarity(channel_axis=-1, data_range=255):
// 7 x 7 uniform window, sample covariance (49 / 48), K1 = 0.01, K2 = 0.03, the mean over the pixels whose window lies
// inside the image, then over channels. Sides of at least 7 px, else an InternalError.
torch::Tensor StructuralSimilarity(const torch::Tensor& a_NCHW, const torch::Tensor& b_NCHW);

}  // namespace genvinci
