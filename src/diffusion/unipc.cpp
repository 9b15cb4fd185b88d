#include <algorithm>
#include <cmath>
#include <utility>

#include "genvinci/diffusion/sampler.h"

namespace genvinci {
namespace {

// UniPC of order 2 (Zhao et al. 2023, algorithms 1 and 2; B_2(h) = e^h - 1, on x_0 estimates): each step's end is
// corrected once the network has been asked there, at no further call. diffusers' UniPCMultistepScheduler().
class UniPcSampler : public Sampler {
 public:
  explicit UniPcSampler(std::vector<NoiseLevel> levels) : Sampler(std::move(levels)) {}

 protected:
  torch::Tensor Solve(const Denoise& denoise, torch::Tensor x, int64_t first, const StepNoise&) const override {
    torch::Tensor last, before, start;  // x_0 estimates of the last two steps; x where the last one began
    int64_t order = 1;
    for (int64_t step = first; step < steps(); ++step) {
      const torch::Tensor x0 = denoise(x, At(step)).x0_BCHW;
      if (step > first) x = Correct(start, x0, last, before, step, order);
      before = last;
      last = x0;
      start = x;
      order = std::min<int64_t>({2, steps() - step, step - first + 1});
      x = Predict(x, last, before, step, order);
    }
    return x;
  }

 private:
  double LogStep(int64_t step) const { return At(step + 1).LogSnr() - At(step).LogSnr(); }
  // Where the estimate before the last lies, in units of the step that begins at `step`; negative.
  double Behind(int64_t step) const { return -LogStep(step - 1) / LogStep(step); }

  // The first-order step, exact for a constant x_0.
  torch::Tensor Advance(const torch::Tensor& x, const torch::Tensor& x0, int64_t step) const {
    const NoiseLevel& next = At(step + 1);
    return next.noise / At(step).noise * x - next.signal * std::expm1(-LogStep(step)) * x0;
  }

  torch::Tensor Predict(const torch::Tensor& x, const torch::Tensor& last, const torch::Tensor& before, int64_t step,
                        int64_t order) const {
    const torch::Tensor advanced = Advance(x, last, step);
    if (order == 1) return advanced;
    const double scale = At(step + 1).signal * std::expm1(-LogStep(step));
    return advanced - scale * 0.5 / Behind(step) * (before - last);
  }

  // x at `step`, from the x where the step before began and the estimate x0 at its end.
  torch::Tensor Correct(const torch::Tensor& start, const torch::Tensor& x0, const torch::Tensor& last,
                        const torch::Tensor& before, int64_t step, int64_t order) const {
    const double h = -LogStep(step - 1), scale = At(step).signal * std::expm1(h);
    const torch::Tensor advanced = Advance(start, last, step - 1);
    if (order == 1) return advanced - scale * 0.5 * (x0 - last);
    // The weights make the correction exact for x_0 that are linear and quadratic in the log signal-to-noise ratio:
    // w + v = phi_2 / B and r w + v = 2 phi_3 / B.
    const double r = Behind(step - 1), b = std::expm1(h);
    const double phi_2 = b / h - 1, phi_3 = phi_2 / h - 0.5;
    const double first = phi_2 / b, second = 2 * phi_3 / b;
    const double w = (first - second) / (1 - r), v = first - w;
    return advanced - scale * (w / r * (before - last) + v * (x0 - last));
  }
};

}  // namespace

std::unique_ptr<Sampler> MakeUniPcSampler(const SamplerOptions& options, const NoiseSchedule& schedule) {
  return std::make_unique<UniPcSampler>(MultistepLevels(options.steps, schedule));
}

}  // namespace genvinci
