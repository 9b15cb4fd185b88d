#include "genvinci/nn/sync_batch_norm.h"

#include "genvinci/core/error.h"

namespace genvinci {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// (B, C, L) or (B, C): a channel's values lie on all axes but the second.
std::vector<int64_t> OtherAxes(const torch::Tensor& values) {
  return values.dim() == 3 ? std::vector<int64_t>{0, 2} : std::vector<int64_t>{0};
}

torch::Tensor PerChannel(const torch::Tensor& values_C, const torch::Tensor& like) {
  return values_C.view(like.dim() == 3 ? std::vector<int64_t>{1, -1, 1} : std::vector<int64_t>{1, -1});
}

// d(loss of all ranks)/d(this rank's values): the loss is the sum over ranks, so the two sums of the backward pass are
// too. Gradients of weight and bias stay this rank's part, which is summed with all other gradients.
class Normalise : public torch::autograd::Function<Normalise> {
 public:
  static torch::Tensor forward(AutogradContext* context, const torch::Tensor& values, const torch::Tensor& weight_C,
                               const torch::Tensor& bias_C, const torch::Tensor& mean_C,
                               const torch::Tensor& deviation_C, double count, double share, BatchReducer* ranks) {
    const torch::Tensor standard =
        ((values.to(torch::kFloat64) - PerChannel(mean_C, values)) / PerChannel(deviation_C, values))
            .to(values.scalar_type());
    context->save_for_backward({standard, weight_C, deviation_C});
    context->saved_data["count"] = count;
    context->saved_data["share"] = share;
    context->saved_data["ranks"] = reinterpret_cast<int64_t>(ranks);
    return standard * PerChannel(weight_C, values) + PerChannel(bias_C, values);
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const torch::Tensor &standard = saved[0], &weight_C = saved[1], &deviation_C = saved[2];
    const torch::Tensor& gradient = gradients[0];
    auto& ranks = *reinterpret_cast<BatchReducer*>(context->saved_data["ranks"].toInt());
    const double count = context->saved_data["count"].toDouble(), share = context->saved_data["share"].toDouble();
    const torch::Tensor wide = gradient.to(torch::kFloat64), x = standard.to(torch::kFloat64);
    const torch::Tensor bias_part_C = wide.sum(OtherAxes(standard));
    const torch::Tensor weight_part_C = (wide * x).sum(OtherAxes(standard));
    torch::Tensor sums_2C = torch::stack({bias_part_C, weight_part_C});
    ranks.Sum(sums_2C);
    const torch::Tensor mean_C = sums_2C[0] / count, mean_x_C = sums_2C[1] / count;
    const torch::Tensor scale_C = weight_C.to(torch::kFloat64) / deviation_C;
    const torch::Tensor to_values =
        PerChannel(scale_C, x) * (wide - share * (PerChannel(mean_C, x) + x * PerChannel(mean_x_C, x)));
    return {to_values.to(standard.scalar_type()),
            weight_part_C.to(weight_C.scalar_type()),
            bias_part_C.to(weight_C.scalar_type()),
            {},
            {},
            {},
            {},
            {}};
  }
};

}  // namespace

BatchStatistics StatisticsOverRanks(const torch::Tensor& values, BatchReducer& ranks, double share) {
  GENVINCI_CHECK(values.dim() == 2 || values.dim() == 3, "{} axes", values.dim());
  const torch::NoGradGuard no_grad;
  const int64_t channels = values.size(1);
  const torch::Tensor wide = values.to(torch::kFloat64);
  const double count = share * static_cast<double>(values.numel() / channels);
  const torch::Tensor mean_C = wide.mean(OtherAxes(values));
  const torch::Tensor squares_C = share * (wide - PerChannel(mean_C, values)).square().sum(OtherAxes(values));
  const torch::Tensor mine = torch::cat({torch::full({1}, count, mean_C.options()), mean_C, squares_C});
  const torch::Tensor all_WX = ranks.Gather(mine);
  const torch::Tensor counts_W1 = all_WX.narrow(1, 0, 1);
  const torch::Tensor means_WC = all_WX.narrow(1, 1, channels);
  BatchStatistics merged;
  merged.count = counts_W1.sum().item<double>();
  merged.mean_C = (counts_W1 * means_WC).sum(0) / merged.count;
  const torch::Tensor between_C = (counts_W1 * (means_WC - merged.mean_C).square()).sum(0);
  merged.variance_C = (all_WX.narrow(1, 1 + channels, channels).sum(0) + between_C) / merged.count;
  return merged;
}

torch::Tensor NormaliseOverRanks(const torch::Tensor& values, const BatchStatistics& batch,
                                 const torch::nn::BatchNorm1dImpl& layer, BatchReducer& ranks, double share) {
  const bool affine = layer.weight.defined();
  const torch::Tensor weight_C = affine ? layer.weight : torch::ones({values.size(1)}, values.options());
  const torch::Tensor bias_C = affine ? layer.bias : torch::zeros({values.size(1)}, values.options());
  const torch::Tensor deviation_C = (batch.variance_C + layer.options.eps()).sqrt();
  return Normalise::apply(values, weight_C, bias_C, batch.mean_C, deviation_C, batch.count, share, &ranks);
}

torch::Tensor SyncBatchNormImpl::forward(const torch::Tensor& values) {
  if (!is_training() || (!is_shared() && !standardises_)) return BatchNorm1dImpl::forward(values);
  static AloneReducer alone;
  BatchReducer& ranks = is_shared() ? *ranks_ : alone;
  // As torch's does under autocast: in float32 at least.
  const torch::Tensor x = values.scalar_type() == torch::kFloat64 ? values : values.to(torch::kFloat32);
  const BatchStatistics batch = StatisticsOverRanks(x, ranks, share_);
  if (standardises_ && batch.count <= 1) {
    return torch::batch_norm(x, weight, bias, running_mean, running_var, /*training=*/false, /*momentum=*/0,
                             options.eps(), /*cudnn_enabled=*/true);
  }
  Track(batch);
  return NormaliseOverRanks(x, batch, *this, ranks, share_);
}

void SyncBatchNormImpl::Track(const BatchStatistics& batch) {
  const torch::NoGradGuard no_grad;
  num_batches_tracked += 1;
  const double momentum = options.momentum().value_or(1.0 / num_batches_tracked.item<double>());
  const double unbiased = batch.count / std::max(1.0, batch.count - 1);
  running_mean.lerp_(batch.mean_C.to(running_mean.scalar_type()), momentum);
  running_var.lerp_((unbiased * batch.variance_C).to(running_var.scalar_type()), momentum);
}

void SynchroniseBatchNorm(torch::nn::Module& module, BatchReducer& ranks) {
  for (const auto& part : module.modules()) {
    if (auto* norm = part->as<SyncBatchNorm>()) norm->SetRanks(&ranks);
  }
}

void SetBatchNormShare(torch::nn::Module& module, double share) {
  for (const auto& part : module.modules()) {
    if (auto* norm = part->as<SyncBatchNorm>()) norm->SetShare(share);
  }
}

}  // namespace genvinci
