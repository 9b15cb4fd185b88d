#include <algorithm>
#include <utility>

#include "genvinci/core/error.h"
#include "genvinci/diffusion/sampler.h"

namespace genvinci {
namespace {

// Pseudo linear multistep (Liu et al. 2022, PNDM, algorithm 2 without its Runge-Kutta start): the noise estimates of up
// to four steps are mixed as Adams and Bashforth mix slopes. The first step is the pseudo improved Euler one: it asks
// once more at its end and takes the mean.
class PlmsSampler : public Sampler {
 public:
  explicit PlmsSampler(std::vector<NoiseLevel> levels) : Sampler(std::move(levels)) {}

 protected:
  torch::Tensor Solve(const Denoise& denoise, torch::Tensor x, int64_t first, const StepNoise&) const override {
    std::vector<torch::Tensor> past;  // noise estimates, the latest last
    for (int64_t step = first; step < steps(); ++step) {
      const torch::Tensor noise = denoise(x, At(step)).noise_BCHW;
      if (step == first && step + 1 < steps()) {
        const torch::Tensor tried = Move(x, noise, At(step), At(step + 1));
        x = Move(x, (noise + denoise(tried, At(step + 1)).noise_BCHW) / 2, At(step), At(step + 1));
      } else {
        x = Move(x, Mix(noise, past), At(step), At(step + 1));
      }
      past.push_back(noise);
    }
    return x;
  }

 private:
  static torch::Tensor Move(const torch::Tensor& x, const torch::Tensor& noise, const NoiseLevel& level,
                            const NoiseLevel& next) {
    return Compose({(x - level.noise * noise) / level.signal, noise}, next);
  }

  static torch::Tensor Mix(const torch::Tensor& noise, const std::vector<torch::Tensor>& past) {
    const auto back = [&](size_t i) { return past[past.size() - i]; };
    switch (past.size()) {
      case 0:
        return noise;
      case 1:
        return (3 * noise - back(1)) / 2;
      case 2:
        return (23 * noise - 16 * back(1) + 5 * back(2)) / 12;
      default:
        return (55 * noise - 59 * back(1) + 37 * back(2) - 9 * back(3)) / 24;
    }
  }
};

// The reference takes every (noise steps / steps)-th timestep whatever their number, so it would take more steps than
// it was asked for where `steps` does not divide.
void RequireDivisor(int64_t steps, int64_t noise_steps) {
  const auto count = [&](int64_t asked) {
    const int64_t stride = noise_steps / asked;
    return (noise_steps + stride - 1) / stride;
  };
  if (steps <= noise_steps && count(steps) == steps) return;
  int64_t fewer = std::min(steps, noise_steps), more = steps;
  while (fewer > 1 && count(fewer) != fewer) --fewer;
  while (more < noise_steps / 2 && count(more) != more) ++more;
  const bool has_more = more <= noise_steps / 2 && count(more) == more;
  throw ConfigError(
      "SAMPLER_STEPS",
      "sampling.steps: asked for {} steps, plms as in the reference would take {}: choose {}{}, or another "
      "sampler",
      steps, steps <= noise_steps ? count(steps) : noise_steps, fewer, has_more ? fmt::format(" or {}", more) : "");
}

}  // namespace

// The reference's PLMS and diffusers' PNDMScheduler(skip_prk_steps=True, set_alpha_to_one=False, steps_offset=1) are
// one algorithm on one timetable; they differ in the numbers of steps that they take.
std::unique_ptr<Sampler> MakePlmsSampler(const SamplerOptions& options, const NoiseSchedule& schedule) {
  std::vector<NoiseLevel> levels = LeadingLevels(options.steps, schedule);
  if (options.sampler == "plms") RequireDivisor(options.steps, schedule.steps());
  return std::make_unique<PlmsSampler>(std::move(levels));
}

}  // namespace genvinci
