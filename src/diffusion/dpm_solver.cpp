#include <cmath>
#include <utility>

#include "genvinci/diffusion/sampler.h"

namespace genvinci {
namespace {

// DPM-Solver++(2M) (Lu et al. 2022b, algorithm 2; the midpoint form): second order from the x_0 estimates of two steps,
// first order at the start and into the clean end. diffusers' DPMSolverMultistepScheduler().
class DpmSolverSampler : public Sampler {
 public:
  explicit DpmSolverSampler(std::vector<NoiseLevel> levels) : Sampler(std::move(levels)) {}

 protected:
  torch::Tensor Solve(const Denoise& denoise, torch::Tensor x, int64_t first, const StepNoise&) const override {
    torch::Tensor last;
    for (int64_t step = first; step < steps(); ++step) {
      const torch::Tensor x0 = denoise(x, At(step)).x0_BCHW;
      torch::Tensor direction = x0;
      if (step > first && step + 1 < steps()) {
        const double ratio = LogStep(step - 1) / LogStep(step);
        direction = x0 + (x0 - last) / (2 * ratio);
      }
      const NoiseLevel& next = At(step + 1);
      x = next.noise / At(step).noise * x - next.signal * std::expm1(-LogStep(step)) * direction;
      last = x0;
    }
    return x;
  }

 private:
  double LogStep(int64_t step) const { return At(step + 1).LogSnr() - At(step).LogSnr(); }
};

}  // namespace

std::unique_ptr<Sampler> MakeDpmSolverSampler(const SamplerOptions& options, const NoiseSchedule& schedule) {
  return std::make_unique<DpmSolverSampler>(MultistepLevels(options.steps, schedule));
}

}  // namespace genvinci
