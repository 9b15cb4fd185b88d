#include "genvinci/diffusion/guided_denoiser.h"

#include <memory>
#include <vector>

#include "genvinci/diffusion/guidance.h"
#include "genvinci/nn/guided_step.h"
#include "genvinci/tensor/captured.h"

namespace genvinci {
namespace {

torch::Tensor Mixed(const std::vector<torch::Tensor>& predictions, const SamplerOptions& options) {
  const double guidance = options.guidance, rescale = options.guidance_rescale;
  if (predictions.size() == 1) return predictions[0];
  if (predictions.size() == 2) return Guided(predictions[0], predictions[1], guidance, rescale);
  return DualGuided(predictions[0], predictions[1], predictions[2], guidance, options.ExtraGuidance(), rescale);
}

}  // namespace

Denoise GuidedDenoiser(const ConditionedNetwork& network, const Objective& objective, const SamplerOptions& options) {
  const int64_t conditions = network.conditions;
  const auto run = [run = network.run, conditions](const std::vector<torch::Tensor>& inputs) {
    return run(inputs[0].repeat({conditions, 1, 1, 1}), inputs[1]);
  };
  const auto predict = [captured = std::make_shared<CapturedFunction>(run, network.capture), conditions](
                           const torch::Tensor& x_BCHW, double t) {
    const auto times = x_BCHW.options().dtype(torch::kFloat32);
    return (*captured)({x_BCHW, torch::full({conditions * x_BCHW.size(0)}, t, times)}).chunk(conditions);
  };
  const auto estimate = [&objective, predict, options](const torch::Tensor& x_BCHW, const NoiseLevel& level) {
    return objective.FromPrediction(Mixed(predict(x_BCHW, level.timestep), options), x_BCHW, level);
  };
  if (conditions > 2 || (conditions == 2 && options.guidance_rescale != 0)) return estimate;
  // Without guidance front and back are one and the scale is 1.
  const auto step = [&objective, predict, w = options.guidance](const torch::Tensor& x_BCHW, const NoiseLevel& level,
                                                                const NoiseLevel& next) {
    const std::vector<torch::Tensor> predicted = predict(x_BCHW, level.timestep);
    const auto [of_x, of_prediction] = objective.StepBetween(level, next);
    return GuidedStep(x_BCHW, predicted.front(), predicted.back(), {w, of_x, of_prediction});
  };
  return {estimate, step};
}

}  // namespace genvinci
