#include "genvinci/tensor/random.h"

#include <ATen/CPUGeneratorImpl.h>

namespace genvinci {
namespace {

// Steele, Lea and Flood 2014; the additive constant is the golden ratio's.
uint64_t SplitMix64(uint64_t& state) {
  state += 0x9e3779b97f4a7c15ULL;
  uint64_t z = state;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

uint64_t Mix(uint64_t key, uint64_t part) {
  uint64_t state = key ^ part;
  return SplitMix64(state);
}

}  // namespace

uint64_t StreamKey(int64_t seed, std::string_view name, const std::vector<int64_t>& ids) {
  uint64_t key = Mix(0, static_cast<uint64_t>(seed));
  // Lengths go in too: ("a", {}) must differ from ("", {'a'}).
  key = Mix(key, name.size());
  for (const char c : name) key = Mix(key, static_cast<unsigned char>(c));
  key = Mix(key, ids.size());
  for (const int64_t id : ids) key = Mix(key, static_cast<uint64_t>(id));
  return key;
}

torch::Generator RandomStream(int64_t seed, std::string_view name, const std::vector<int64_t>& ids) {
  const uint64_t key = StreamKey(seed, name, ids);
  torch::Generator generator = at::make_generator<at::CPUGeneratorImpl>(key);
  // The engine's own seeding keeps 32 bits of the key, so that two of 100,000 streams would be likely to coincide.
  at::mt19937 engine(key);
  at::mt19937_data_pod data = engine.data();
  uint64_t state = key;
  for (auto& word : data.state_) word = static_cast<uint32_t>(SplitMix64(state) >> 32);
  data.left_ = 1;  // all words are used up: the next draw mixes them first
  data.next_ = 0;
  engine.set_data(data);
  auto* cpu = at::check_generator<at::CPUGeneratorImpl>(generator);
  cpu->set_engine(engine);
  return generator;
}

}  // namespace genvinci
