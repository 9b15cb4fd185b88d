#include <algorithm>
#include <cmath>
#include <utility>

#include "genvinci/diffusion/sampler.h"
#include "genvinci/tensor/device.h"

namespace genvinci {
namespace {

// Euler's method on the probability flow (Karras et al. 2022, algorithm 1 without its second half; diffusers'
// EulerDiscreteScheduler()), or with fresh noise at each step ("ancestral", EulerAncestralDiscreteScheduler()). Their x
// is ours divided by the signal.
class EulerSampler : public Sampler {
 public:
  EulerSampler(std::vector<NoiseLevel> levels, bool ancestral) : Sampler(std::move(levels)), ancestral_(ancestral) {}

 protected:
  double StartScale() const override { return At(0).noise; }

  torch::Tensor Solve(const Denoise& denoise, torch::Tensor x, int64_t first,
                      const StepNoise& step_noise) const override {
    for (int64_t step = first; step < steps(); ++step) {
      const double fresh = ancestral_ ? Fresh(At(step).Sigma(), At(step + 1).Sigma()) : 0;
      NoiseLevel next = At(step + 1);
      const double down = next.signal * fresh;
      next.noise = std::sqrt(std::max(0.0, next.noise * next.noise - down * down));
      x = denoise.Step(x, At(step), next);
      if (fresh > 0) x = x + down * ToDevice(step_noise(step), x.device()).to(x.scalar_type());
    }
    return x;
  }

 private:
  // Deviation of the noise that a step from sigma to `to` takes out and puts in anew.
  static double Fresh(double sigma, double to) { return to / sigma * std::sqrt(sigma * sigma - to * to); }

  bool ancestral_;
};

}  // namespace

std::unique_ptr<Sampler> MakeEulerSampler(const SamplerOptions& options, const NoiseSchedule& schedule) {
  return std::make_unique<EulerSampler>(FractionalLevels(options.steps, schedule), options.sampler != "euler");
}

}  // namespace genvinci
