#include <algorithm>
#include <cmath>

#include "genvinci/diffusion/sampler.h"

namespace genvinci {
namespace {

// Song et al. 2021, equation 12, as diffusers' DDIMScheduler computes it with clip_sample and set_alpha_to_one off:
// the last step goes to abar_0, not to 1.
class DdimSampler : public Sampler {
 public:
  DdimSampler(const SamplerOptions& options, const NoiseSchedule& schedule, const Objective& objective)
      : eta_(options.eta),
        stride_(schedule.steps() / options.steps),
        timesteps_(LeadingTimesteps(options.steps, schedule.steps())),
        schedule_(schedule),
        objective_(objective) {}

  torch::Tensor Sample(const Denoise& denoise, const torch::Tensor& noise_BCHW,
                       const StepNoise& step_noise) const override {
    torch::Tensor x = noise_BCHW;
    for (size_t step = 0; step < timesteps_.size(); ++step) {
      const int64_t t = timesteps_[step];
      x = Step(objective_.FromPrediction(denoise(x, t), x, t), t);
      if (eta_ > 0) x = x + Deviation(t) * step_noise(static_cast<int64_t>(step)).to(x.options());
    }
    return x;
  }

 private:
  double Previous(int64_t t) const { return schedule_.AlphaCumprod(std::max<int64_t>(t - stride_, 0)); }

  double Deviation(int64_t t) const {
    const double alpha = schedule_.AlphaCumprod(t), previous = Previous(t);
    return eta_ * std::sqrt((1 - previous) / (1 - alpha) * (1 - alpha / previous));
  }

  torch::Tensor Step(const Objective::Estimate& estimate, int64_t t) const {
    const double previous = Previous(t), deviation = Deviation(t);
    return std::sqrt(previous) * estimate.x0_BCHW +
           std::sqrt(std::max(0.0, 1 - previous - deviation * deviation)) * estimate.noise_BCHW;
  }

  double eta_;
  int64_t stride_;
  std::vector<int64_t> timesteps_;
  const NoiseSchedule& schedule_;
  const Objective& objective_;
};

}  // namespace

std::unique_ptr<Sampler> MakeDdimSampler(const SamplerOptions& options, const NoiseSchedule& schedule,
                                         const Objective& objective) {
  return std::make_unique<DdimSampler>(options, schedule, objective);
}

}  // namespace genvinci
