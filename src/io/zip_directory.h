#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace genvinci::internal {

struct ZipEntry {
  std::string name;
  std::span<const std::byte> bytes;
  uint32_t crc = 0;
};

// The entries of a zip file whose entries are stored, as PyTorch writes it: zip64 is understood, compression and
// encryption are refused. Central and local headers must agree, names must be plain relative paths, each once, and no
// two entries may share a byte: it stands against archives that show this reader one thing and another reader another.
// CRCs are not looked at. DataError ZIP_*.
std::vector<ZipEntry> ReadZipDirectory(std::span<const std::byte> file, const std::string& source);

// DataError ZIP_CRC unless the bytes are what was written.
void CheckCrc(const ZipEntry& entry, const std::string& source);

}  // namespace genvinci::internal
