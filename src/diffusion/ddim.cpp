#include <algorithm>
#include <cmath>
#include <utility>

#include "genvinci/diffusion/sampler.h"
#include "genvinci/tensor/device.h"

namespace genvinci {
namespace {

// Song et al. 2021, equation 12, as diffusers' DDIMScheduler computes it with clip_sample and set_alpha_to_one off:
// the last step goes to abar_0, not to 1.
class DdimSampler : public Sampler {
 public:
  DdimSampler(std::vector<NoiseLevel> levels, double eta) : Sampler(std::move(levels)), eta_(eta) {}

 protected:
  torch::Tensor Solve(const Denoise& denoise, torch::Tensor x, int64_t first,
                      const StepNoise& step_noise) const override {
    for (int64_t step = first; step < steps(); ++step) {
      const double deviation = Deviation(At(step), At(step + 1));
      NoiseLevel next = At(step + 1);
      next.noise = std::sqrt(std::max(0.0, next.noise * next.noise - deviation * deviation));
      x = denoise.Step(x, At(step), next);
      if (deviation > 0) x = x + deviation * ToDevice(step_noise(step), x.device()).to(x.scalar_type());
    }
    return x;
  }

 private:
  double Deviation(const NoiseLevel& level, const NoiseLevel& next) const {
    const double kept = level.signal / next.signal;
    return eta_ * next.noise / level.noise * std::sqrt(1 - kept * kept);
  }

  double eta_;
};

}  // namespace

std::unique_ptr<Sampler> MakeDdimSampler(const SamplerOptions& options, const NoiseSchedule& schedule) {
  return std::make_unique<DdimSampler>(LeadingLevels(options.steps, schedule), options.eta);
}

}  // namespace genvinci
