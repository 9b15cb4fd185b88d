#include "genvinci/io/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "core/temp_folder.h"
#include "genvinci/core/sha256.h"

namespace genvinci {
namespace safetensors_test {

using testing::ElementsAre;
using testing::HasSubstr;

std::string Packed(const std::string& header, size_t data_size) {
  const uint64_t size = header.size();
  std::string bytes(reinterpret_cast<const char*>(&size), sizeof(size));
  return bytes + header + std::string(data_size, '\x01');
}

std::string WithLength(uint64_t length, const std::string& rest) {
  return std::string(reinterpret_cast<const char*>(&length), sizeof(length)) + rest;
}

class Safetensors : public testing::Test {
 protected:
  fs::path File(const std::string& bytes) {
    Spill(folder_ / "m.safetensors", bytes);
    return folder_ / "m.safetensors";
  }
  void Fails(const std::string& name, const std::string& bytes, const std::string& part = "") {
    const fs::path path = File(bytes);
    const Error error = CatchError(name, [&] { SafetensorsFile file(path); });
    EXPECT_THAT(error.what(), HasSubstr("m.safetensors"));
    EXPECT_THAT(error.what(), HasSubstr(part));
    EXPECT_EQ(error.exit_code(), ExitCode::kBadData);
  }
  // A header with one tensor.
  void TensorFails(const std::string& name, const std::string& fields, size_t data_size = 4,
                   const std::string& part = "'a'") {
    Fails(name, Packed("{\"a\":{" + fields + "}}", data_size), part);
  }

  TempFolder folder_;
};

TEST_F(Safetensors, ReadsWhatTheFormatSays) {
  const fs::path path = File(Packed(
      R"({"__metadata__":{"format":"pt"},"b":{"dtype":"I16","shape":[2,2],"data_offsets":[4,12]},)"
      R"("a":{"dtype":"F32","shape":[],"data_offsets":[0,4]},"empty":{"dtype":"F32","shape":[0,3],"data_offsets":[12,12]}})"
      "   ",
      12));
  const SafetensorsFile file(path);
  EXPECT_THAT(file.names(), ElementsAre("a", "b", "empty"));
  EXPECT_EQ(file.metadata().at("format"), "pt");
  EXPECT_THAT(file.View("b").shape, ElementsAre(2, 2));
  EXPECT_EQ(file.View("b").dtype, DType::kI16);
  EXPECT_EQ(file.View("b").bytes.size(), 8u);
  EXPECT_TRUE(file.View("a").shape.empty());
  EXPECT_EQ(file.View("b").bytes.data() - file.View("a").bytes.data(), 4);
  EXPECT_THAT(file.View("empty").shape, ElementsAre(0, 3));
  EXPECT_FALSE(file.Has("c"));
  EXPECT_THAT(CatchError("TENSOR_NAME", [&] { file.View("emptyy"); }).what(), HasSubstr("'empty'"));
}

TEST_F(Safetensors, WritesWhatItReads) {
  const std::vector<float> f = {1.5f, -2.0f, 3.25f, 0.0f, 5.0f, 6.0f};
  const std::vector<int64_t> i = {-7};
  const std::vector<uint8_t> b = {1, 0, 1};
  const std::string sum = WriteSafetensors(folder_ / "w.safetensors",
                                           {{"weight.\"x\"", {DType::kF32, {2, 3}, std::as_bytes(std::span(f))}},
                                            {"step", {DType::kI64, {}, std::as_bytes(std::span(i))}},
                                            {"mask", {DType::kBool, {3}, std::as_bytes(std::span(b))}}},
                                           {{"made_by", "a test"}});
  const SafetensorsFile file(folder_ / "w.safetensors");
  EXPECT_THAT(file.names(), ElementsAre("weight.\"x\"", "step", "mask"));
  EXPECT_EQ(std::memcmp(file.View("weight.\"x\"").bytes.data(), f.data(), 24), 0);
  EXPECT_EQ(std::memcmp(file.View("step").bytes.data(), i.data(), 8), 0);
  EXPECT_EQ(file.View("mask").dtype, DType::kBool);
  EXPECT_EQ(file.metadata().at("made_by"), "a test");
  uint64_t header = 0;
  const std::string bytes = Slurp(folder_ / "w.safetensors");
  std::memcpy(&header, bytes.data(), 8);
  EXPECT_EQ(header % 8, 0u);
  EXPECT_EQ(bytes.size(), 8 + header + 24 + 8 + 3);
  EXPECT_EQ(sum, Sha256(bytes));
}

TEST_F(Safetensors, WritesLargeTensorsInBlocks) {
  std::vector<uint8_t> large((1 << 18) * 3 + 5);
  for (size_t i = 0; i < large.size(); ++i) large[i] = static_cast<uint8_t>(i * 7 + i / 251);
  const std::string sum =
      WriteSafetensors(folder_ / "w.safetensors",
                       {{"a", {DType::kU8, {static_cast<int64_t>(large.size())}, std::as_bytes(std::span(large))}}});
  EXPECT_EQ(sum, Sha256OfFile(folder_ / "w.safetensors"));
  const SafetensorsFile file(folder_ / "w.safetensors");
  EXPECT_EQ(std::memcmp(file.View("a").bytes.data(), large.data(), large.size()), 0);
}

TEST_F(Safetensors, SeveralFilesAsOne) {
  const auto write = [&](const std::string& name, const std::vector<std::string>& tensors, uint8_t value) {
    const std::vector<uint8_t> bytes = {value};
    std::vector<std::pair<std::string, TensorView>> views;
    for (const std::string& tensor : tensors)
      views.push_back({tensor, {DType::kU8, {1}, std::as_bytes(std::span(bytes))}});
    WriteSafetensors(folder_ / name, views);
    return std::make_shared<const SafetensorsFile>(folder_ / name);
  };
  const JoinedTensorFiles joined({write("one", {"a", "b"}, 1), write("two", {"c"}, 2)});
  EXPECT_THAT(joined.names(), ElementsAre("a", "b", "c"));
  joined.Fetch({"c", "a"});
  EXPECT_EQ(joined.View("a").bytes[0], std::byte{1});
  EXPECT_EQ(joined.View("c").bytes[0], std::byte{2});
  joined.Release("c");
  EXPECT_EQ(joined.View("c").bytes[0], std::byte{2});
  EXPECT_EQ(joined.path(), folder_ / "one");
  CatchError("TENSOR_NAME", [&] { JoinedTensorFiles({write("one", {"a"}, 1), write("two", {"a"}, 2)}); });
}

TEST_F(Safetensors, ReadsPythonsFile) {
  const SafetensorsFile file(GENVINCI_SOURCE_DIR "/tests/io/data/python.safetensors");
  EXPECT_EQ(file.metadata().at("made_by"), "safetensors.numpy");
  EXPECT_THAT(file.View("x").shape, ElementsAre(2, 3));
  std::vector<float> x(6);
  ASSERT_EQ(file.View("x").bytes.size(), 24u);
  std::memcpy(x.data(), file.View("x").bytes.data(), 24);
  EXPECT_THAT(x, ElementsAre(0.0f, 0.5f, 1.0f, 1.5f, 2.0f, 2.5f));
  EXPECT_EQ(file.View("flags").dtype, DType::kBool);
  EXPECT_EQ(file.View("half").dtype, DType::kF16);
  EXPECT_EQ(file.View("tokens").dtype, DType::kI32);
}

TEST_F(Safetensors, RefusesBadLengths) {
  Fails("SAFETENSORS_CUT", "1234567");
  Fails("SAFETENSORS_HEADER", WithLength(uint64_t{1} << 63, "{}"));
  Fails("SAFETENSORS_HEADER", WithLength(100'000'001, "{}"), "100000001");
  Fails("SAFETENSORS_CUT", WithLength(3, "{}"));
  Fails("SAFETENSORS_HEADER", WithLength(0, ""));
}

TEST_F(Safetensors, RefusesBadJson) {
  Fails("JSON_SYNTAX", Packed("{\"a\xFF\":{}}", 0));
  Fails("JSON_SYNTAX", Packed("{\"a\":", 0));
  Fails("SAFETENSORS_HEADER", Packed("[]", 0));
  Fails("JSON_DEPTH", Packed("{\"a\":" + std::string(100'000, '['), 0));
  const std::string tensor = R"({"dtype":"F32","shape":[1],"data_offsets":[0,4]})";
  Fails("JSON_DUPLICATE_KEY", Packed("{\"a\":" + tensor + ",\"a\":" + tensor + "}", 4), "'a'");
}

TEST_F(Safetensors, RefusesOverlapHoleAndTrailingBytes) {
  const std::string a = R"("a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]})";
  Fails("SAFETENSORS_OFFSETS", Packed("{" + a + R"(,"b":{"dtype":"F32","shape":[1],"data_offsets":[2,6]}})", 6),
        "overlap");
  Fails("SAFETENSORS_OFFSETS", Packed("{" + a + R"(,"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", 4),
        "overlap");
  Fails("SAFETENSORS_OFFSETS", Packed("{" + a + R"(,"b":{"dtype":"F32","shape":[1],"data_offsets":[5,9]}})", 9),
        "hole");
  Fails("SAFETENSORS_OFFSETS", Packed("{" + a + "}", 5), "follow");
  Fails("SAFETENSORS_OFFSETS", Packed("{" + a + "}", 3), "cut short");
}

TEST_F(Safetensors, RefusesBadShapes) {
  TensorFails("SAFETENSORS_SHAPE", R"("dtype":"U8","shape":[4194305,4194305,211106198978564],"data_offsets":[0,4])", 4,
              "overflow");
  TensorFails("SAFETENSORS_SIZE", R"("dtype":"F32","shape":[2],"data_offsets":[0,4])");
  TensorFails("SAFETENSORS_SHAPE", R"("dtype":"F32","shape":[-1],"data_offsets":[0,4])");
  TensorFails("SAFETENSORS_SHAPE", R"("dtype":"F32","shape":[1.0],"data_offsets":[0,4])");
  TensorFails("SAFETENSORS_SHAPE", R"("dtype":"F32","shape":1,"data_offsets":[0,4])");
  TensorFails("SAFETENSORS_SHAPE", R"("dtype":"F32","shape":[9223372036854775808,0],"data_offsets":[0,0])", 0);
}

TEST_F(Safetensors, RefusesBadFields) {
  TensorFails("SAFETENSORS_DTYPE", R"("dtype":"F33","shape":[1],"data_offsets":[0,4])");
  TensorFails("SAFETENSORS_DTYPE", R"("dtype":4,"shape":[1],"data_offsets":[0,4])");
  TensorFails("SAFETENSORS_OFFSETS", R"("dtype":"F32","shape":[1],"data_offsets":[4,0])");
  TensorFails("SAFETENSORS_OFFSETS", R"("dtype":"F32","shape":[1],"data_offsets":[-4,0])");
  TensorFails("SAFETENSORS_OFFSETS", R"("dtype":"F32","shape":[1],"data_offsets":[0,2,4])");
  TensorFails("SAFETENSORS_HEADER", R"("dtype":"F32","shape":[1])");
  TensorFails("SAFETENSORS_HEADER", R"("dtype":"F32","shape":[1],"data_offsets":[0,4],"more":1)");
  Fails("SAFETENSORS_METADATA", Packed(R"({"__metadata__":{"n":1}})", 0), "'n'");
  Fails("SAFETENSORS_METADATA", Packed(R"({"__metadata__":[]})", 0));
  Fails("SAFETENSORS_HEADER", Packed(R"({"a":7})", 0), "'a'");
}

TEST_F(Safetensors, LeavesNothingBehindWhenItCannotWrite) {
  const std::vector<float> f = {1.0f};
  const TensorView view{DType::kF32, {2}, std::as_bytes(std::span(f))};
  CatchError("CHECK", [&] { WriteSafetensors(folder_ / "w.safetensors", {{"a", view}}); });
  EXPECT_EQ(folder_.Count(), 0);
}

}  // namespace safetensors_test
}  // namespace genvinci
