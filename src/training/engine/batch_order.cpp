#include "genvinci/training/engine/batch_order.h"

#include <algorithm>

#include "genvinci/tensor/random.h"

namespace genvinci {
namespace {

std::vector<int64_t> Permutation(int64_t size, torch::Generator generator) {
  const torch::Tensor order = torch::randperm(size, generator, torch::kInt64);
  return {order.data_ptr<int64_t>(), order.data_ptr<int64_t>() + size};
}

Batches Cut(const std::vector<int64_t>& order, int64_t batch_size) {
  Batches batches;
  for (size_t start = 0; start < order.size(); start += static_cast<size_t>(batch_size)) {
    const size_t end = std::min(order.size(), start + static_cast<size_t>(batch_size));
    batches.emplace_back(order.begin() + static_cast<int64_t>(start), order.begin() + static_cast<int64_t>(end));
  }
  return batches;
}

}  // namespace

Batches ShuffledBatches(int64_t size, int64_t batch_size, int64_t seed, int64_t epoch) {
  return Cut(Permutation(size, RandomStream(seed, "order", {epoch})), batch_size);
}

Batches BatchesByLength(const std::vector<int64_t>& lengths, int64_t batch_size, int64_t seed, int64_t epoch) {
  constexpr int64_t kPool = 50;
  const auto size = static_cast<int64_t>(lengths.size());
  std::vector<int64_t> order = Permutation(size, RandomStream(seed, "order", {epoch}));
  for (int64_t start = 0; start < size; start += kPool * batch_size) {
    const int64_t end = std::min(size, start + kPool * batch_size);
    std::stable_sort(order.begin() + start, order.begin() + end, [&](int64_t a, int64_t b) {
      return lengths[static_cast<size_t>(a)] < lengths[static_cast<size_t>(b)];
    });
  }
  const Batches sorted = Cut(order, batch_size);
  Batches batches;
  for (const int64_t i : Permutation(static_cast<int64_t>(sorted.size()), RandomStream(seed, "batch order", {epoch})))
    batches.push_back(sorted[static_cast<size_t>(i)]);
  return batches;
}

}  // namespace genvinci
