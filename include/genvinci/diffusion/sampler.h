#pragma once

#include <torch/torch.h>

#include <concepts>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "genvinci/diffusion/objective.h"

namespace genvinci {

// What the network makes of the whole batch at one level, guidance applied.
class Denoise {
 public:
  using ToEstimate = std::function<Objective::Estimate(const torch::Tensor& x_BCHW, const NoiseLevel& level)>;
  using ToNext =
      std::function<torch::Tensor(const torch::Tensor& x_BCHW, const NoiseLevel& level, const NoiseLevel& next)>;

  template <std::convertible_to<ToEstimate> Function>
  Denoise(Function estimate) : estimate_(std::move(estimate)) {}
  // `step` is Step in fewer operations.
  Denoise(ToEstimate estimate, ToNext step) : estimate_(std::move(estimate)), step_(std::move(step)) {}

  Objective::Estimate operator()(const torch::Tensor& x_BCHW, const NoiseLevel& level) const {
    return estimate_(x_BCHW, level);
  }
  // The estimate at `level` put together at `next`.
  torch::Tensor Step(const torch::Tensor& x_BCHW, const NoiseLevel& level, const NoiseLevel& next) const;

 private:
  ToEstimate estimate_;
  ToNext step_;
};
// Fresh noise for sampling step `step` (0 is the first), of the latents' shape, from each sample's own stream.
using StepNoise = std::function<torch::Tensor(int64_t step)>;

// Where sampling begins: from unit noise alone, or from latents that are noised by `strength` of the way (img2img;
// 0 gives them back, 1 is all steps).
struct SampleStart {
  torch::Tensor noise_BCHW;
  torch::Tensor latents_BCHW = {};  // may be undefined
  double strength = 1;
};

// From noise to latents. A sampler is one source file and one line in kSamplers (sampler_options.h). Numbers that
// depend on the steps alone are worked out before the first one, so that nothing inside the loop waits for the device.
class Sampler {
 public:
  virtual ~Sampler() = default;

  // Levels at which the network is asked, noisiest first; the last entry is where sampling ends.
  const std::vector<NoiseLevel>& levels() const { return levels_; }

  torch::Tensor Sample(const Denoise& denoise, const SampleStart& start, const StepNoise& step_noise) const;

 protected:
  explicit Sampler(std::vector<NoiseLevel> levels) : levels_(std::move(levels)) {}

  int64_t steps() const { return static_cast<int64_t>(levels_.size()) - 1; }
  const NoiseLevel& At(int64_t step) const { return levels_[static_cast<size_t>(step)]; }
  // What unit noise is multiplied by to be at the first level.
  virtual double StartScale() const { return 1; }
  // From x at levels()[first] to the end.
  virtual torch::Tensor Solve(const Denoise& denoise, torch::Tensor x_BCHW, int64_t first,
                              const StepNoise& step_noise) const = 0;

 private:
  std::vector<NoiseLevel> levels_;
};

// From kSamplers (sampler_options.h). ConfigError SAMPLER for an unknown name, SAMPLER_STEPS for a number of steps that
// the noise process does not allow, SAMPLER_FLOW for a sampler that is not defined for a rectified flow.
std::unique_ptr<Sampler> MakeSampler(const SamplerOptions& options, const NoiseSchedule& schedule);

// x_0 and eps put together at a level: the deterministic step of DDIM (Song et al. 2021, equation 12) and, in the
// coordinates of any of these processes, of Euler's method.
torch::Tensor Compose(const Objective::Estimate& estimate, const NoiseLevel& level);

// Timetables; ConfigError SAMPLER_STEPS. The levels that are asked, then the one that sampling ends at.
//
// "Leading" with an offset of 1, as Stable Diffusion and diffusers have it: timesteps i * (noise steps / steps) + 1,
// ending at timestep 0, whose abar is not quite 1. With a number of steps that does not divide the noise steps the
// first one lies below the noisiest. A number that would reach beyond the noise steps is refused; the error names the
// nearest.
std::vector<NoiseLevel> LeadingLevels(int64_t steps, const NoiseSchedule& schedule);
// "Linspace" for first-order and Heun's steps, fractional timesteps from the last noise step to 0, then clean. Of a
// flow: times from 1 to 1 / noise steps, then 0 (diffusers' FlowMatchEulerDiscreteScheduler).
std::vector<NoiseLevel> FractionalLevels(int64_t steps, const NoiseSchedule& schedule);
// "Linspace" for multistep solvers: `steps` rounded timesteps from the last noise step to above 0, then clean. Of a
// flow: from 1 less one noise step, since the logarithm of no signal is infinite.
std::vector<NoiseLevel> MultistepLevels(int64_t steps, const NoiseSchedule& schedule);

}  // namespace genvinci
