#include "zip_directory.h"

#include <libdeflate.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <set>

#include "genvinci/core/error.h"
#include "pickle_text.h"

namespace genvinci::internal {
namespace {

// Signatures and sizes are those of APPNOTE.TXT 6.3.10, sections 4.3.7, 4.3.12 and 4.3.14 to 4.3.16.
constexpr uint32_t kLocal = 0x04034b50, kCentral = 0x02014b50, kEndRecord = 0x06054b50;
constexpr uint32_t kEnd64 = 0x06064b50, kLocator64 = 0x07064b50;
constexpr uint64_t kLocalSize = 30, kCentralSize = 46, kEndSize = 22, kEnd64Size = 56, kLocatorSize = 20;
constexpr uint64_t kMaxEntries = 1'000'000;
constexpr uint16_t kEncrypted = 0x0001 | 0x0040 | 0x2000, kSizesFollow = 0x0008;
constexpr uint16_t kZip64Extra = 0x0001;

struct Header {
  std::string name;
  uint16_t flags = 0, method = 0;
  uint32_t crc = 0;
  uint64_t packed = 0, size = 0, local_at = 0;
};

class ZipReader {
 public:
  ZipReader(std::span<const std::byte> file, const std::string& source) : file_(file), source_(source) {}

  std::vector<ZipEntry> Read() {
    const Directory directory = FindDirectory();
    std::vector<ZipEntry> entries;
    std::set<std::string> names;
    uint64_t at = directory.at;
    for (uint64_t i = 0; i < directory.count; ++i) {
      const Header header = ReadCentral(at, directory.end);
      if (!names.insert(header.name).second) Fail("ZIP_NAME", "two entries '{}'", header.name);
      entries.push_back(ReadEntry(header, directory.at));
    }
    if (at != directory.end) Fail("ZIP_DIRECTORY", "its directory is longer than its {} entries", directory.count);
    return entries;
  }

 private:
  struct Directory {
    uint64_t at = 0, end = 0, count = 0;
  };

  template <typename... Args>
  [[noreturn]] void Fail(std::string_view name, fmt::format_string<Args...> format, Args&&... args) const {
    throw DataError(name, "{}: {}: this is no checkpoint that can be read", source_,
                    fmt::format(format, std::forward<Args>(args)...));
  }

  // `size` bytes at `at`, all below `end`.
  std::span<const std::byte> Take(uint64_t at, uint64_t size, uint64_t end) const {
    if (at > end || size > end - at) Fail("ZIP_CUT", "{} bytes at {} in a part that ends at {}", size, at, end);
    return file_.subspan(at, size);
  }
  template <typename T>
  T Number(uint64_t at) const {
    T value;
    std::memcpy(&value, Take(at, sizeof(T), file_.size()).data(), sizeof(T));
    return value;
  }
  std::string Text(uint64_t at, uint64_t size, uint64_t end) const {
    const auto bytes = Take(at, size, end);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }

  // The end record, behind a comment of at most 65,535 bytes.
  uint64_t FindEnd() const {
    if (file_.size() < kEndSize) Fail("ZIP_END", "{} bytes", file_.size());
    const uint64_t last = file_.size() - kEndSize, lowest = last > 65535 ? last - 65535 : 0;
    for (uint64_t at = last + 1; at-- > lowest;) {
      if (Number<uint32_t>(at) == kEndRecord && Number<uint16_t>(at + 20) == file_.size() - at - kEndSize) return at;
    }
    Fail("ZIP_END", "it has no end record: it is cut short");
  }

  Directory FindDirectory() const {
    const uint64_t end = FindEnd();
    if (Number<uint16_t>(end + 4) != 0 || Number<uint16_t>(end + 6) != 0) Fail("ZIP_DISKS", "it is in several parts");
    Directory directory{Number<uint32_t>(end + 16), 0, Number<uint16_t>(end + 10)};
    uint64_t size = Number<uint32_t>(end + 12), tail = end;
    const bool has_locator = end >= kLocatorSize && Number<uint32_t>(end - kLocatorSize) == kLocator64;
    if (has_locator) {
      const uint64_t at = Number<uint64_t>(end - kLocatorSize + 8);
      Take(at, kEnd64Size, end - kLocatorSize);
      if (Number<uint32_t>(at) != kEnd64) Fail("ZIP_DIRECTORY", "its zip64 end record is not where it should be");
      const Directory wide{Number<uint64_t>(at + 48), 0, Number<uint64_t>(at + 32)};
      const uint64_t wide_size = Number<uint64_t>(at + 40);
      RequireSame(directory.count, wide.count, 0xffff);
      RequireSame(directory.at, wide.at, 0xffffffff);
      RequireSame(size, wide_size, 0xffffffff);
      directory = wide;
      size = wide_size;
      tail = at;
    }
    Take(directory.at, size, tail);
    directory.end = directory.at + size;
    if (directory.end != tail) Fail("ZIP_DIRECTORY", "{} bytes behind its directory", tail - directory.end);
    if (directory.count > kMaxEntries || directory.count > size / kCentralSize)
      Fail("ZIP_DIRECTORY", "{} entries in a directory of {} bytes", directory.count, size);
    return directory;
  }

  // The short field is all ones where only the wide one counts.
  void RequireSame(uint64_t narrow, uint64_t wide, uint64_t unset) const {
    if (narrow != unset && narrow != wide) Fail("ZIP_DIRECTORY", "its two end records differ: {} and {}", narrow, wide);
  }

  Header ReadCentral(uint64_t& at, uint64_t end) const {
    Take(at, kCentralSize, end);
    if (Number<uint32_t>(at) != kCentral) Fail("ZIP_DIRECTORY", "no entry at byte {} of its directory", at);
    Header header;
    header.flags = Number<uint16_t>(at + 8);
    header.method = Number<uint16_t>(at + 10);
    header.crc = Number<uint32_t>(at + 16);
    header.packed = Number<uint32_t>(at + 20);
    header.size = Number<uint32_t>(at + 24);
    header.local_at = Number<uint32_t>(at + 42);
    const uint64_t name = Number<uint16_t>(at + 28), extra = Number<uint16_t>(at + 30);
    const uint64_t comment = Number<uint16_t>(at + 32), body = at + kCentralSize;
    header.name = Text(body, name, end);
    Take(body + name, extra + comment, end);
    ReadZip64(body + name, extra, {&header.size, &header.packed, &header.local_at});
    at = body + name + extra + comment;
    return header;
  }

  // Fields that are all ones come, in this order, in the zip64 extra.
  void ReadZip64(uint64_t at, uint64_t size, const std::vector<uint64_t*>& fields) const {
    const uint64_t end = at + size;
    while (end - at >= 4) {
      const uint16_t kind = Number<uint16_t>(at), length = Number<uint16_t>(at + 2);
      Take(at + 4, length, end);
      uint64_t field_at = at + 4;
      for (uint64_t* field : kind == kZip64Extra ? fields : std::vector<uint64_t*>{}) {
        if (*field != 0xffffffff) continue;
        Take(field_at, 8, at + 4 + length);
        *field = Number<uint64_t>(field_at);
        field_at += 8;
      }
      at += 4 + uint64_t{length};
    }
  }

  ZipEntry ReadEntry(const Header& header, uint64_t directory_at) {
    RequirePlain(header.name);
    if (header.flags & kEncrypted) Fail("ZIP_ENCRYPTED", "'{}' is encrypted", header.name);
    if (header.method != 0)
      Fail("ZIP_METHOD", "'{}' is compressed (method {}), which PyTorch never writes", header.name, header.method);
    if (header.packed != header.size)
      Fail("ZIP_SIZE", "'{}' is stored in {} bytes and has {}", header.name, header.packed, header.size);
    const uint64_t at = header.local_at;
    Take(at, kLocalSize, directory_at);
    if (Number<uint32_t>(at) != kLocal) Fail("ZIP_LOCAL", "'{}' is not at byte {}", header.name, at);
    const uint64_t name = Number<uint16_t>(at + 26), extra = Number<uint16_t>(at + 28);
    const uint16_t flags = Number<uint16_t>(at + 6);
    if (Text(at + kLocalSize, name, directory_at) != header.name || flags != header.flags ||
        Number<uint16_t>(at + 8) != header.method) {
      Fail("ZIP_LOCAL", "'{}' has another name, method or flags at byte {}", header.name, at);
    }
    if (!(flags & kSizesFollow)) RequireLocalSizes(header, at + kLocalSize + name, extra);
    const uint64_t begin = at + kLocalSize + name + extra;
    const auto bytes = Take(begin, header.size, directory_at);
    RequireFree(at, begin + header.size, header.name);
    return {header.name, bytes, header.crc};
  }

  void RequireLocalSizes(const Header& header, uint64_t extra_at, uint64_t extra) const {
    uint64_t packed = Number<uint32_t>(header.local_at + 18), size = Number<uint32_t>(header.local_at + 22);
    Take(extra_at, extra, file_.size());
    ReadZip64(extra_at, extra, {&size, &packed});
    if (packed != header.packed || size != header.size || Number<uint32_t>(header.local_at + 14) != header.crc)
      Fail("ZIP_LOCAL", "'{}' has another size or checksum at byte {}", header.name, header.local_at);
  }

  void RequirePlain(const std::string& name) const {
    const bool plain = !name.empty() && name.front() != '/' && name.find('\\') == std::string::npos &&
                       name.find('\0') == std::string::npos && IsUtf8(name) &&
                       ("/" + name + "/").find("/../") == std::string::npos;
    if (!plain) Fail("ZIP_NAME", "an entry's name is no plain path");
  }

  void RequireFree(uint64_t begin, uint64_t end, const std::string& name) {
    const auto next = taken_.lower_bound({begin, 0});
    const bool hits_next = next != taken_.end() && next->first < end;
    const bool hits_last = next != taken_.begin() && std::prev(next)->second > begin;
    if (hits_next || hits_last) Fail("ZIP_OVERLAP", "'{}' shares bytes with another entry", name);
    taken_.insert({begin, end});
  }

  std::span<const std::byte> file_;
  const std::string& source_;
  std::set<std::pair<uint64_t, uint64_t>> taken_;
};

}  // namespace

std::vector<ZipEntry> ReadZipDirectory(std::span<const std::byte> file, const std::string& source) {
  return ZipReader(file, source).Read();
}

void CheckCrc(const ZipEntry& entry, const std::string& source) {
  if (libdeflate_crc32(0, entry.bytes.data(), entry.bytes.size()) == entry.crc) return;
  throw DataError("ZIP_CRC", "{}: '{}' is not what was written: the file is damaged", source, entry.name);
}

}  // namespace genvinci::internal
