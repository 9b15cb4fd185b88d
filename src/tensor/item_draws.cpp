#include "genvinci/tensor/item_draws.h"

#include <ATen/CPUGeneratorImpl.h>

#include "genvinci/tensor/random.h"

namespace genvinci {
namespace {

template <typename Draw>
torch::Tensor Stacked(const std::vector<torch::Generator>& streams, torch::IntArrayRef shape, torch::ScalarType type,
                      Draw draw) {
  std::vector<int64_t> all = {static_cast<int64_t>(streams.size())};
  all.insert(all.end(), shape.begin(), shape.end());
  torch::Tensor values = torch::empty(all, type);
  for (size_t i = 0; i < streams.size(); ++i) {
    torch::Tensor item = values.select(0, static_cast<int64_t>(i));
    draw(item, streams[i]);
  }
  return values;
}

}  // namespace

ItemDraws::ItemDraws(const DrawKey& key, const std::vector<int64_t>& items) {
  for (const int64_t item : items) streams_.push_back(RandomStream(key.seed, key.purpose, {key.epoch, item}));
}

torch::Tensor ItemDraws::Uniform(torch::IntArrayRef shape) {
  return Stacked(streams_, shape, torch::kFloat32,
                 [](torch::Tensor& item, const torch::Generator& stream) { item.uniform_(0, 1, stream); });
}

torch::Tensor ItemDraws::Normal(torch::IntArrayRef shape) {
  return Stacked(streams_, shape, torch::kFloat32,
                 [](torch::Tensor& item, const torch::Generator& stream) { item.normal_(0, 1, stream); });
}

torch::Tensor ItemDraws::Integers(int64_t end, torch::IntArrayRef shape) {
  return Stacked(streams_, shape, torch::kInt64,
                 [&](torch::Tensor& item, const torch::Generator& stream) { item.random_(0, end, stream); });
}

double ItemDraws::One(int64_t i) {
  constexpr double kStep = 1.0 / (1 << 24);
  auto* generator = at::check_generator<at::CPUGeneratorImpl>(streams_[static_cast<size_t>(i)]);
  return static_cast<double>(generator->random() >> 8) * kStep;
}

}  // namespace genvinci
