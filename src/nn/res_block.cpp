#include "genvinci/nn/res_block.h"

#include "genvinci/nn/layers.h"
#include "genvinci/nn/registry.h"

namespace genvinci {

ResBlockImpl::ResBlockImpl(const ResBlockOptions& options)
    : dropout_(options.dropout), time_scale_shift_(options.time_scale_shift) {
  const ResBlockNames& names = options.names;
  norm1_ = RegisterAt(*this, names.norm1, MakeGroupNorm(options.in, options.eps, options.norm_groups));
  conv1_ = RegisterAt(*this, names.conv1, MakeConv3(options.in, options.out));
  if (options.time_dim > 0) {
    time_ = RegisterAt(*this, names.time,
                       torch::nn::Linear(options.time_dim, time_scale_shift_ ? 2 * options.out : options.out));
  }
  norm2_ = RegisterAt(*this, names.norm2, MakeGroupNorm(options.out, options.eps, options.norm_groups));
  conv2_ = RegisterAt(*this, names.conv2, MakeConv3(options.out, options.out));
  if (options.in != options.out) skip_ = RegisterAt(*this, names.skip, MakeConv1(options.in, options.out));
}

torch::Tensor ResBlockImpl::forward(const torch::Tensor& x_BCHW, const torch::Tensor& active_time_BT) {
  torch::Tensor h = conv1_(torch::silu(norm1_(x_BCHW)));
  const torch::Tensor time = time_ ? time_(active_time_BT).unsqueeze(2).unsqueeze(3) : torch::Tensor();
  if (time_ && !time_scale_shift_) h = h + time;
  h = norm2_(h);
  if (time_ && time_scale_shift_) {
    const std::vector<torch::Tensor> scale_and_shift = time.chunk(2, 1);
    h = torch::addcmul(scale_and_shift[1], h, 1 + scale_and_shift[0]);
  }
  h = conv2_(torch::dropout(torch::silu(h), dropout_, is_training()));
  return (skip_ ? Pointwise(skip_, x_BCHW) : x_BCHW) + h;
}

void ResBlockImpl::ZeroLastConv() { ZeroInit(conv2_); }

}  // namespace genvinci
