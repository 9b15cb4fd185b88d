#include "zip_writer.h"

#include <libdeflate.h>

#include <algorithm>

namespace genvinci::internal {
namespace {

constexpr uint64_t kAlignment = 64, kLocalHeaderSize = 30, kWide = 0xffffffff;
constexpr uint16_t kVersion = 45;  // the first with zip64
constexpr uint64_t kPaddingHead = 4;

template <typename T>
std::string Raw(T value) {
  return std::string(reinterpret_cast<const char*>(&value), sizeof(value));
}

uint32_t Narrow(uint64_t value) { return static_cast<uint32_t>(std::min(value, kWide)); }

// The extra field with those of the values that do not fit their own fields.
std::string Zip64Extra(const std::vector<uint64_t>& values) {
  std::string wide;
  for (const uint64_t value : values) {
    if (value >= kWide) wide += Raw(value);
  }
  return wide.empty() ? "" : Raw<uint16_t>(1) + Raw(static_cast<uint16_t>(wide.size())) + wide;
}

// Version to flags, method, time and date: what local and central headers share.
std::string Shared(uint32_t crc, uint64_t size) {
  return Raw(kVersion) + Raw<uint16_t>(0) + Raw<uint16_t>(0) + Raw<uint32_t>(0) + Raw(crc) + Raw(Narrow(size)) +
         Raw(Narrow(size));
}

}  // namespace

void ZipWriter::Put(const std::string& bytes) {
  out_.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  at_ += bytes.size();
}

void ZipWriter::Add(const std::string& name, std::span<const std::byte> bytes) {
  const Entry entry{name, libdeflate_crc32(0, bytes.data(), bytes.size()), bytes.size(), at_};
  std::string extra = Zip64Extra({entry.size, entry.size});
  const uint64_t begin = at_ + kLocalHeaderSize + name.size() + extra.size() + kPaddingHead;
  const uint64_t padding = (kAlignment - begin % kAlignment) % kAlignment;
  extra += "FB" + Raw(static_cast<uint16_t>(padding)) + std::string(padding, 'Z');
  Put("PK\x03\x04" + Shared(entry.crc, entry.size) + Raw(static_cast<uint16_t>(name.size())) +
      Raw(static_cast<uint16_t>(extra.size())) + name + extra);
  out_.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  at_ += bytes.size();
  entries_.push_back(entry);
}

void ZipWriter::Finish() {
  const uint64_t directory = at_;
  for (const Entry& entry : entries_) {
    const std::string extra = Zip64Extra({entry.size, entry.size, entry.at});
    Put("PK\x01\x02" + Raw(kVersion) + Shared(entry.crc, entry.size) + Raw(static_cast<uint16_t>(entry.name.size())) +
        Raw(static_cast<uint16_t>(extra.size())) + std::string(10, '\0') + Raw(Narrow(entry.at)) + entry.name + extra);
  }
  const uint64_t size = at_ - directory, end = at_, count = entries_.size();
  if (directory >= kWide || size >= kWide || count >= 0xffff) {
    constexpr uint64_t kRest = 44;  // of the zip64 end record, behind its size
    Put("PK\x06\x06" + Raw(kRest) + Raw(kVersion) + Raw(kVersion) + Raw<uint32_t>(0) + Raw<uint32_t>(0) + Raw(count) +
        Raw(count) + Raw(size) + Raw(directory));
    Put("PK\x06\x07" + Raw<uint32_t>(0) + Raw(end) + Raw<uint32_t>(1));
  }
  const auto short_count = static_cast<uint16_t>(std::min<uint64_t>(count, 0xffff));
  Put("PK\x05\x06" + std::string(4, '\0') + Raw(short_count) + Raw(short_count) + Raw(Narrow(size)) +
      Raw(Narrow(directory)) + Raw<uint16_t>(0));
}

}  // namespace genvinci::internal
