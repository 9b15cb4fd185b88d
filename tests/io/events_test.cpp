#include "genvinci/io/events.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <map>

#include "core/temp_folder.h"

namespace genvinci {
namespace events_test {

// CRC-32C bit by bit, and TFRecord's mask.
uint32_t Crc(std::string_view bytes) {
  uint32_t crc = 0xFFFFFFFF;
  for (const char byte : bytes) {
    crc ^= static_cast<unsigned char>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) * 0x82F63B78u);
  }
  return ~crc;
}

uint32_t Masked(std::string_view bytes) {
  const uint32_t crc = Crc(bytes);
  return ((crc >> 15) | (crc << 17)) + 0xA282EAD8u;
}

template <typename T>
T Load(std::string_view bytes, size_t at) {
  T value;
  std::memcpy(&value, bytes.substr(at, sizeof(T)).data(), sizeof(T));
  return value;
}

std::vector<std::string> Records(std::string_view bytes) {
  std::vector<std::string> records;
  while (!bytes.empty()) {
    const uint64_t size = Load<uint64_t>(bytes, 0);
    EXPECT_EQ(Load<uint32_t>(bytes, 8), Masked(bytes.substr(0, 8)));
    records.emplace_back(bytes.substr(12, size));
    EXPECT_EQ(Load<uint32_t>(bytes, 12 + size), Masked(records.back()));
    bytes.remove_prefix(16 + size);
  }
  return records;
}

// A protobuf message: field number to its raw value (varints as 8 bytes).
std::map<int, std::string> Fields(std::string_view bytes) {
  const auto varint = [&] {
    uint64_t value = 0;
    for (int shift = 0;; shift += 7) {
      const unsigned char byte = bytes[0];
      bytes.remove_prefix(1);
      value |= uint64_t{byte & 0x7Fu} << shift;
      if (byte < 0x80) return value;
    }
  };
  std::map<int, std::string> fields;
  while (!bytes.empty()) {
    const uint64_t key = varint();
    std::string& field = fields[static_cast<int>(key >> 3)];
    const uint64_t type = key & 7;
    if (type == 0) {
      const uint64_t value = varint();
      field.assign(reinterpret_cast<const char*>(&value), 8);
      continue;
    }
    const size_t size = type == 1 ? 8 : type == 5 ? 4 : varint();
    field = bytes.substr(0, size);
    bytes.remove_prefix(size);
  }
  return fields;
}

TEST(Events, CrcIsCrc32c) { EXPECT_EQ(Crc("123456789"), 0xE3069283u); }  // the check value of RFC 3720's CRC-32C

TEST(Events, HoldScalars) {
  const TempFolder folder;
  {
    EventWriter writer(folder.path());
    writer.Scalar("train/loss", 1, 0.75);
    writer.Scalar(std::string(200, 'x'), int64_t{1} << 40, -2.5);
  }
  ASSERT_EQ(folder.Count(), 1);
  const fs::path path = fs::directory_iterator(folder.path())->path();
  EXPECT_TRUE(path.filename().string().starts_with("events.out.tfevents."));
  EXPECT_EQ(path.extension(), ".genvinci");
  const std::vector<std::string> records = Records(Slurp(path));
  ASSERT_EQ(records.size(), 3u);
  EXPECT_EQ(Fields(records[0])[3], "brain.Event:2");
  const auto check = [](const std::string& record, const std::string& tag, int64_t step, float value) {
    auto event = Fields(record);
    EXPECT_GT(Load<double>(event[1], 0), 1.7e9);
    EXPECT_EQ(Load<int64_t>(event[2], 0), step);
    auto scalar = Fields(Fields(event[5])[1]);
    EXPECT_EQ(scalar[1], tag);
    EXPECT_EQ(Load<float>(scalar[2], 0), value);
  };
  check(records[1], "train/loss", 1, 0.75f);
  check(records[2], std::string(200, 'x'), int64_t{1} << 40, -2.5f);
}

TEST(Events, AreOnDiskAfterFlush) {
  const TempFolder folder;
  EventWriter writer(folder.path());
  writer.Scalar("loss", 1, 1.0);
  writer.Flush();
  EXPECT_EQ(Records(Slurp(fs::directory_iterator(folder.path())->path())).size(), 2u);
  CatchError("FILE_WRITE", [&] { EventWriter nowhere(folder / "none"); });
}

}  // namespace events_test
}  // namespace genvinci
