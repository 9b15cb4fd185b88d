#include "genvinci/distributed/gradient_reducer.h"

#include <torch/csrc/autograd/functions/accumulate_grad.h>
#include <torch/csrc/autograd/utils/lambda_post_hook.h>
#include <torch/csrc/autograd/variable.h>

#include <algorithm>
#include <optional>

#include "genvinci/core/error.h"

namespace genvinci {

struct GradientReducer::State {
  struct Bucket {
    std::vector<size_t> parameters;
    std::vector<int64_t> offsets;
    torch::Tensor flat;
    size_t ready = 0;
    std::optional<RankGroup::Pending> sum = {};
  };

  explicit State(RankGroup& ranks) : ranks(ranks) {}

  void OnGradient(size_t parameter);
  void SendReady();
  void Send(Bucket& bucket);
  void Take(Bucket& bucket, const torch::Tensor& used);

  RankGroup& ranks;
  std::vector<torch::Tensor> parameters;
  std::vector<size_t> bucket_of;
  std::vector<Bucket> buckets;
  std::vector<bool> seen;
  size_t next = 0;  // bucket to be sent
  bool is_last_pass = false;
  // Kept, as a parameter does not keep its own.
  std::vector<c10::intrusive_ptr<torch::autograd::Node>> accumulators;
  std::vector<uintptr_t> hooks;
};

namespace {

// A bucket holds one type on one device.
bool GoTogether(const torch::Tensor& a, const torch::Tensor& b) {
  return a.scalar_type() == b.scalar_type() && a.device() == b.device();
}

int64_t BytesOf(const torch::Tensor& tensor) { return tensor.numel() * tensor.element_size(); }

}  // namespace

GradientReducer::GradientReducer(const NamedTensors& parameters, RankGroup& ranks, int64_t bucket_bytes)
    : state_(std::make_shared<State>(ranks)) {
  if (ranks.world() == 1) return;
  State& state = *state_;
  for (const auto& [name, parameter] : parameters) state.parameters.push_back(parameter);
  const size_t count = state.parameters.size();
  state.bucket_of.resize(count);
  state.seen.resize(count);
  int64_t filled = 0;
  for (size_t i = count; i-- > 0;) {
    const torch::Tensor& parameter = state.parameters[i];
    const bool fits = !state.buckets.empty() && filled + BytesOf(parameter) <= bucket_bytes &&
                      GoTogether(parameter, state.parameters[state.buckets.back().parameters.front()]);
    if (!fits) {
      state.buckets.emplace_back();
      filled = 0;
    }
    state.buckets.back().offsets.push_back(filled / parameter.element_size());
    state.buckets.back().parameters.push_back(i);
    state.bucket_of[i] = state.buckets.size() - 1;
    filled += BytesOf(parameter);
  }
  for (State::Bucket& bucket : state.buckets) {
    const torch::Tensor& last = state.parameters[bucket.parameters.back()];
    bucket.flat = torch::zeros({bucket.offsets.back() + last.numel()}, last.detach().options());
  }
  for (size_t i = 0; i < count; ++i) {
    auto accumulator = torch::autograd::impl::grad_accumulator(state.parameters[i]);
    state.hooks.push_back(accumulator->add_post_hook(std::make_unique<torch::autograd::utils::LambdaPostHook>(
        [weak = std::weak_ptr<State>(state_), i](const torch::autograd::variable_list& outputs,
                                                 const torch::autograd::variable_list&) {
          if (const auto alive = weak.lock()) alive->OnGradient(i);
          return outputs;
        })));
    state.accumulators.push_back(std::move(accumulator));
  }
}

GradientReducer::~GradientReducer() {
  for (size_t i = 0; i < state_->hooks.size(); ++i) state_->accumulators[i]->del_post_hook(state_->hooks[i]);
}

void GradientReducer::Begin() {
  State& state = *state_;
  state.is_last_pass = true;
  state.next = 0;
  std::fill(state.seen.begin(), state.seen.end(), false);
  for (State::Bucket& bucket : state.buckets) bucket.ready = 0;
}

// On the autograd engine's thread, one after another.
void GradientReducer::State::OnGradient(size_t parameter) {
  if (!is_last_pass || seen[parameter]) return;
  seen[parameter] = true;
  ++buckets[bucket_of[parameter]].ready;
  SendReady();
}

void GradientReducer::State::SendReady() {
  for (; next < buckets.size() && buckets[next].ready == buckets[next].parameters.size(); ++next) Send(buckets[next]);
}

void GradientReducer::State::Send(Bucket& bucket) {
  const torch::NoGradGuard no_grad;
  for (size_t i = 0; i < bucket.parameters.size(); ++i) {
    const torch::Tensor& parameter = parameters[bucket.parameters[i]];
    torch::Tensor part = bucket.flat.narrow(0, bucket.offsets[i], parameter.numel());
    if (parameter.grad().defined())
      part.view(parameter.sizes()).copy_(parameter.grad());
    else
      part.zero_();
  }
  bucket.sum = ranks.SumAsync(bucket.flat);
}

void GradientReducer::Finish() {
  State& state = *state_;
  if (state.parameters.empty()) return;
  const torch::NoGradGuard no_grad;
  state.is_last_pass = false;
  // A parameter that took no part in the pass never became ready.
  for (; state.next < state.buckets.size(); ++state.next) state.Send(state.buckets[state.next]);
  torch::Tensor used = torch::zeros({static_cast<int64_t>(state.parameters.size())}, torch::kInt32);
  for (size_t i = 0; i < state.parameters.size(); ++i)
    used.data_ptr<int>()[i] = static_cast<int>(state.parameters[i].grad().defined());
  state.ranks.Max(used);
  for (State::Bucket& bucket : state.buckets) {
    bucket.sum->Wait();
    state.Take(bucket, used);
  }
}

void GradientReducer::State::Take(Bucket& bucket, const torch::Tensor& used) {
  for (size_t i = 0; i < bucket.parameters.size(); ++i) {
    torch::Tensor& parameter = parameters[bucket.parameters[i]];
    if (used.data_ptr<int>()[bucket.parameters[i]] == 0) continue;
    const torch::Tensor sum = bucket.flat.narrow(0, bucket.offsets[i], parameter.numel()).view(parameter.sizes());
    if (!parameter.grad().defined()) parameter.mutable_grad() = torch::empty_like(parameter.detach());
    parameter.mutable_grad().copy_(sum);
  }
}

int64_t GradientReducer::bytes() const {
  int64_t bytes = 0;
  for (const State::Bucket& bucket : state_->buckets) bytes += BytesOf(bucket.flat);
  return bytes;
}

}  // namespace genvinci
