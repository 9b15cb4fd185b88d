#include <utility>

#include "genvinci/diffusion/sampler.h"

namespace genvinci {
namespace {

// Heun's method on the probability flow (Karras et al. 2022, algorithm 1; diffusers' HeunDiscreteScheduler() and, of a
// rectified flow, FlowMatchHeunDiscreteScheduler()): two calls a step but for the last, into the clean end.
class HeunSampler : public Sampler {
 public:
  HeunSampler(std::vector<NoiseLevel> levels, bool is_flow) : Sampler(std::move(levels)), is_flow_(is_flow) {}

 protected:
  double StartScale() const override { return At(0).noise; }

  torch::Tensor Solve(const Denoise& denoise, torch::Tensor x, int64_t first, const StepNoise&) const override {
    for (int64_t step = first; step < steps(); ++step) {
      const NoiseLevel &level = At(step), &next = At(step + 1);
      const Objective::Estimate estimate = denoise(x, level);
      const torch::Tensor tried = Compose(estimate, next);
      if (next.noise == 0) {
        x = tried;
        continue;
      }
      const torch::Tensor slope = (Slope(estimate) + Slope(denoise(tried, next))) / 2;
      x = Scale(next) * (x / Scale(level) + (Time(next) - Time(level)) * slope);
    }
    return x;
  }

 private:
  // The path is straight in these coordinates where the estimates do not change: x / signal against sigma for a
  // diffusion, x against the time for a flow.
  double Scale(const NoiseLevel& level) const { return is_flow_ ? 1 : level.noise / level.Sigma(); }
  double Time(const NoiseLevel& level) const { return is_flow_ ? level.noise : level.Sigma(); }
  torch::Tensor Slope(const Objective::Estimate& estimate) const {
    return is_flow_ ? estimate.noise_BCHW - estimate.x0_BCHW : estimate.noise_BCHW;
  }

  bool is_flow_;
};

}  // namespace

std::unique_ptr<Sampler> MakeHeunSampler(const SamplerOptions& options, const NoiseSchedule& schedule) {
  return std::make_unique<HeunSampler>(FractionalLevels(options.steps, schedule), schedule.is_flow());
}

}  // namespace genvinci
