#pragma once

#include <torch/torch.h>

#include <string_view>
#include <vector>

namespace genvinci {

// A CPU generator for one purpose: equal (seed, name, ids) give equal numbers whatever else was drawn before. `name`
// says the purpose ("noise", "dropout", "order", ...), `ids` e.g. observation and sample.
torch::Generator RandomStream(int64_t seed, std::string_view name, const std::vector<int64_t>& ids = {});

// The 64-bit key that the stream is seeded with (splitmix64 over the parts).
uint64_t StreamKey(int64_t seed, std::string_view name, const std::vector<int64_t>& ids = {});

}  // namespace genvinci
