#include "genvinci/io/events.h"

#include <array>
#include <bit>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>

#include "genvinci/core/error.h"

namespace genvinci {
namespace {

constexpr std::array<uint32_t, 256> MakeCrcTable() {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) value = value >> 1 ^ (value & 1 ? 0x82F63B78u : 0);
    table[i] = value;
  }
  return table;
}

// TFRecord keeps CRC-32C (Castagnoli) rotated and shifted by a constant.
uint32_t MaskedCrc(std::string_view bytes) {
  static constexpr std::array<uint32_t, 256> kTable = MakeCrcTable();
  uint32_t crc = ~0u;
  for (const char byte : bytes) crc = crc >> 8 ^ kTable[(crc ^ static_cast<unsigned char>(byte)) & 0xFF];
  return std::rotr(~crc, 15) + 0xA282EAD8u;
}

template <typename T>
std::string Little(T value) {
  std::string out(sizeof(T), '\0');
  std::memcpy(out.data(), &value, sizeof(T));
  return out;
}

// Protobuf's wire format: a field is its number and wire type, then its value.
enum WireType { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

std::string Varint(uint64_t value) {
  std::string out;
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  return out + static_cast<char>(value);
}

std::string Field(int number, WireType type, const std::string& value) {
  const std::string key = Varint(number << 3 | type);
  return type == kBytes ? key + Varint(value.size()) + value : key + value;
}

double Now() { return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count(); }

// message Event { double wall_time = 1; int64 step = 2; string file_version = 3; Summary summary = 5; }
std::string VersionEvent() { return Field(1, kFixed64, Little(Now())) + Field(3, kBytes, "brain.Event:2"); }

// message Summary { repeated Value value = 1; }, message Value { string tag = 1; float simple_value = 2; }
std::string ScalarEvent(const std::string& tag, int64_t step, double value) {
  const std::string entry = Field(1, kBytes, tag) + Field(2, kFixed32, Little(static_cast<float>(value)));
  return Field(1, kFixed64, Little(Now())) + Field(2, kVarint, Varint(static_cast<uint64_t>(step))) +
         Field(5, kBytes, Field(1, kBytes, entry));
}

}  // namespace

struct EventWriter::File {
  explicit File(const fs::path& p) : path(p), stream(std::fopen(p.c_str(), "ab")) {
    if (!stream) Fail();
  }
  ~File() { std::fclose(stream); }

  [[noreturn]] void Fail() const {
    throw IoError("FILE_WRITE", "{}: cannot write: {}", path.string(), std::strerror(errno));
  }

  void Write(const std::string& event) {
    const std::string length = Little<uint64_t>(event.size());
    const std::string record = length + Little(MaskedCrc(length)) + event + Little(MaskedCrc(event));
    if (std::fwrite(record.data(), 1, record.size(), stream) != record.size()) Fail();
  }

  fs::path path;
  std::FILE* stream;
};

EventWriter::EventWriter(const fs::path& folder) {
  const auto seconds = static_cast<int64_t>(Now());
  file_ = std::make_unique<File>(folder / fmt::format("events.out.tfevents.{}.genvinci", seconds));
  file_->Write(VersionEvent());
  Flush();
}

EventWriter::~EventWriter() = default;

void EventWriter::Scalar(const std::string& tag, int64_t step, double value) {
  file_->Write(ScalarEvent(tag, step, value));
}

void EventWriter::Flush() {
  if (std::fflush(file_->stream) != 0) file_->Fail();
}

}  // namespace genvinci
