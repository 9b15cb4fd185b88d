#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <string>
#include <vector>

namespace genvinci {

// What the streams of a batch's items are derived from, besides the items.
struct DrawKey {
  int64_t seed = 0;
  int64_t epoch = 0;
  std::string purpose = "item";
};

// The random numbers of a batch, a stream an item: what an item draws depends on (seed, epoch, item) alone, and not on
// the batch, the rank or the process that it is looked at in. Every call takes each item's next numbers.
class ItemDraws {
 public:
  ItemDraws(const DrawKey& key, const std::vector<int64_t>& items);

  int64_t size() const { return static_cast<int64_t>(streams_.size()); }
  // (B, shape...), float32 and int64 on the CPU.
  torch::Tensor Uniform(torch::IntArrayRef shape = {});  // [0, 1)
  torch::Tensor Normal(torch::IntArrayRef shape = {});
  torch::Tensor Integers(int64_t end, torch::IntArrayRef shape = {});  // 0 .. end - 1
  // One number of item `i`, in [0, 1): for loops over what differs in length from item to item.
  double One(int64_t i);

 private:
  std::vector<torch::Generator> streams_;
};

}  // namespace genvinci
