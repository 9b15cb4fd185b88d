#pragma once

#include <cstddef>
#include <cstdint>
#include <fstream>
#include <span>
#include <string>
#include <vector>

namespace genvinci::internal {

// Writes a zip file of stored entries whose bytes begin at multiples of 64, as PyTorch's do, with zip64 fields where
// sizes ask for them. Times are zero, so that the same entries give the same bytes. The stream's state says whether
// writing went well.
class ZipWriter {
 public:
  explicit ZipWriter(std::ofstream& out) : out_(out) {}
  void Add(const std::string& name, std::span<const std::byte> bytes);
  void Finish();

 private:
  struct Entry {
    std::string name;
    uint32_t crc;
    uint64_t size, at;
  };
  void Put(const std::string& bytes);

  std::ofstream& out_;
  uint64_t at_ = 0;
  std::vector<Entry> entries_;
};

}  // namespace genvinci::internal
