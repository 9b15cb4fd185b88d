#include "genvinci/io/torch_checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "core/temp_folder.h"

namespace genvinci {
namespace torch_checkpoint_test {

using testing::ElementsAre;
using testing::HasSubstr;

fs::path Data(const char* name) { return fs::path(GENVINCI_SOURCE_DIR "/tests/io/data") / name; }

template <typename T>
std::vector<T> Values(const TensorFile& file, const std::string& name) {
  const TensorView& view = file.View(name);
  std::vector<T> values(view.bytes.size() / sizeof(T));
  if (!values.empty()) std::memcpy(values.data(), view.bytes.data(), view.bytes.size());
  return values;
}

// scripts/golden/checkpoints.py says what the files hold.
class PythonCheckpoint : public testing::TestWithParam<const char*> {};

TEST_P(PythonCheckpoint, IsRead) {
  const TorchCheckpoint file(Data(GetParam()));
  EXPECT_THAT(Values<float>(file, "state_dict.base"), ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11));
  EXPECT_THAT(Values<float>(file, "state_dict.part"), ElementsAre(2, 3, 4, 5, 6, 7));
  EXPECT_THAT(file.Shape("state_dict.part"), ElementsAre(2, 3));
  EXPECT_THAT(Values<float>(file, "state_dict.transposed"), ElementsAre(0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11));
  EXPECT_THAT(file.Shape("state_dict.transposed"), ElementsAre(4, 3));
  EXPECT_THAT(file.Shape("state_dict.empty"), ElementsAre(0, 3));
  EXPECT_TRUE(file.Shape("state_dict.number").empty());
  EXPECT_THAT(Values<float>(file, "state_dict.number"), ElementsAre(2.5f));
  EXPECT_THAT(Values<float>(file, "state_dict.parameter"), ElementsAre(4, 5));
  EXPECT_THAT(Values<double>(file, "types.float64"), ElementsAre(1, 0, 3));
  EXPECT_THAT(Values<uint16_t>(file, "types.float16"), ElementsAre(0x3c00, 0, 0x4200));
  EXPECT_THAT(Values<uint16_t>(file, "types.bfloat16"), ElementsAre(0x3f80, 0, 0x4040));
  EXPECT_THAT(Values<int64_t>(file, "types.int64"), ElementsAre(1, 0, 3));
  EXPECT_THAT(Values<int32_t>(file, "types.int32"), ElementsAre(1, 0, 3));
  EXPECT_THAT(Values<int16_t>(file, "types.int16"), ElementsAre(1, 0, 3));
  EXPECT_THAT(Values<int8_t>(file, "types.int8"), ElementsAre(1, 0, 3));
  EXPECT_THAT(Values<uint8_t>(file, "types.uint8"), ElementsAre(1, 0, 3));
  EXPECT_EQ(file.Type("types.bool"), DType::kBool);
  EXPECT_THAT(Values<uint8_t>(file, "types.bool"), ElementsAre(1, 0, 1));
  EXPECT_THAT(Values<int64_t>(file, "list.0"), ElementsAre(7));
  EXPECT_THAT(Values<int64_t>(file, "list.1.inner"), ElementsAre(8));
  EXPECT_THAT(Values<int64_t>(file, "5"), ElementsAre(6));
  EXPECT_FALSE(file.Has("epoch"));
  for (const std::string& name : file.names()) EXPECT_FALSE(name.starts_with("callbacks")) << name;
}

INSTANTIATE_TEST_SUITE_P(TorchCheckpoint, PythonCheckpoint, testing::Values("checkpoint.ckpt", "checkpoint.bin"));

template <typename T>
std::string Raw(T value) {
  return std::string(reinterpret_cast<const char*>(&value), sizeof(value));
}

std::string Text(const std::string& text) { return "X" + Raw<uint32_t>(static_cast<uint32_t>(text.size())) + text; }
std::string Whole(int64_t number) { return "\x8a\x08" + Raw(number); }
std::string Tuple(const std::vector<int64_t>& numbers) {
  std::string text = "(";
  for (const int64_t number : numbers) text += Whole(number);
  return text + "t";
}

// {"a": a float tensor in storage "0"}, as torch.save pickles it.
struct TensorPickle {
  std::string type = "FloatStorage", maker = "ctorch._utils\n_rebuild_tensor_v2\n";
  std::vector<int64_t> shape = {2}, strides = {1};
  int64_t offset = 0;

  std::string Bytes() const {
    return "\x80\x02}" + Text("a") + maker + "((" + Text("storage") + "ctorch\n" + type + "\n" + Text("0") +
           Text("cpu") + Whole(2) + "tQ" + Whole(offset) + Tuple(shape) + Tuple(strides) + "\x89" +
           "ccollections\nOrderedDict\n)RtRs.";
  }
};

uint32_t Crc(const std::string& bytes) {
  uint32_t crc = 0xffffffff;
  for (const char byte : bytes) {
    crc ^= static_cast<uint8_t>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (0xedb88320u & (0u - (crc & 1)));
  }
  return ~crc;
}

// A zip file of stored entries, each field of which can be made wrong.
struct ZipPart {
  std::string name, data;
  std::string local_name = {};
  uint16_t flags = 0, method = 0;
  int64_t size_error = 0, crc_error = 0, at_error = 0;
};

std::string Zip(const std::vector<ZipPart>& parts, const std::string& behind = "", int64_t count_error = 0) {
  std::string body, directory;
  for (const ZipPart& part : parts) {
    const std::string& local = part.local_name.empty() ? part.name : part.local_name;
    const auto at = static_cast<uint32_t>(static_cast<int64_t>(body.size()) + part.at_error);
    const auto size = static_cast<uint32_t>(static_cast<int64_t>(part.data.size()) + part.size_error);
    const auto crc = static_cast<uint32_t>(Crc(part.data) + part.crc_error);
    const std::string shared = Raw(part.flags) + Raw(part.method) + Raw<uint32_t>(0) + Raw(crc) + Raw(size) + Raw(size);
    body += "PK\x03\x04" + Raw<uint16_t>(20) + shared + Raw(static_cast<uint16_t>(local.size())) + Raw<uint16_t>(0) +
            local + part.data;
    directory += "PK\x01\x02" + Raw<uint16_t>(20) + Raw<uint16_t>(20) + shared +
                 Raw(static_cast<uint16_t>(part.name.size())) + std::string(12, '\0') + Raw(at) + part.name;
  }
  const auto count = static_cast<uint16_t>(static_cast<int64_t>(parts.size()) + count_error);
  return body + directory + behind + "PK\x05\x06" + std::string(4, '\0') + Raw(count) + Raw(count) +
         Raw(static_cast<uint32_t>(directory.size())) + Raw(static_cast<uint32_t>(body.size())) + Raw<uint16_t>(0);
}

const std::string kTwoFloats = Raw(1.5f) + Raw(-2.0f);

class BadCheckpoint : public testing::Test {
 protected:
  fs::path File(const std::string& bytes) {
    Spill(folder_ / "m.ckpt", bytes);
    return folder_ / "m.ckpt";
  }
  void Fails(const std::string& name, const std::string& bytes) {
    const fs::path path = File(bytes);
    const Error error = CatchError(name, [&] { TorchCheckpoint(path).View("a"); });
    EXPECT_THAT(error.what(), HasSubstr("m.ckpt"));
    EXPECT_EQ(error.exit_code(), ExitCode::kBadData);
  }
  void PickleFails(const std::string& name, const TensorPickle& pickle) {
    Fails(name, Zip({{"m/data.pkl", pickle.Bytes()}, {"m/data/0", kTwoFloats}}));
  }

  TempFolder folder_;
};

TEST_F(BadCheckpoint, HasAGoodTwin) {
  const TorchCheckpoint file(File(Zip({{"m/data.pkl", TensorPickle().Bytes()}, {"m/data/0", kTwoFloats}})));
  EXPECT_THAT(Values<float>(file, "a"), ElementsAre(1.5f, -2.0f));
  EXPECT_TRUE(TorchCheckpoint::Looks(file.path()));
}

TEST_F(BadCheckpoint, OfABrokenZipFile) {
  const ZipPart pickle{"m/data.pkl", TensorPickle().Bytes()}, data{"m/data/0", kTwoFloats};
  const std::string good = Zip({pickle, data});
  Fails("ZIP_END", good.substr(0, good.size() - 10));
  Fails("ZIP_END", "PK\x03\x04");
  Fails("ZIP_NAME", Zip({pickle, data, data}));
  Fails("TORCH_ZIP", Zip({data}));
  Fails("TORCH_ZIP", Zip({pickle, {"other/data.pkl", "."}, data}));
  Fails("ZIP_DIRECTORY", Zip({pickle, data}, "", 1));
  Fails("ZIP_DIRECTORY", Zip({pickle, data}, "", -1));
  Fails("ZIP_DIRECTORY", Zip({pickle, data}, "more"));
  for (const char* name : {"/m/data/0", "m/../data/0", "..", "m\\data\\0", "", "\xff"})
    Fails("ZIP_NAME", Zip({pickle, {name, kTwoFloats}}));
  ZipPart bad = data;
  bad.local_name = "m/data/1";
  Fails("ZIP_LOCAL", Zip({pickle, bad}));
  bad = data, bad.crc_error = 1;
  Fails("ZIP_CRC", Zip({pickle, bad}));
  bad = pickle, bad.crc_error = 1;
  Fails("ZIP_CRC", Zip({bad, data}));
  bad = data, bad.flags = 1;
  Fails("ZIP_ENCRYPTED", Zip({pickle, bad}));
  bad = data, bad.method = 8;
  Fails("ZIP_METHOD", Zip({pickle, bad}));
  bad = data, bad.size_error = 1 << 30;
  Fails("ZIP_CUT", Zip({pickle, bad}));
  bad = data, bad.at_error = -static_cast<int64_t>(pickle.data.size() + 30 + pickle.name.size());
  bad.name = bad.local_name = pickle.name + "x";
  Fails("ZIP_LOCAL", Zip({pickle, bad}));
  // A second entry of the first one's place: the same local header would do for both.
  bad = pickle, bad.at_error = -static_cast<int64_t>(pickle.data.size() + 30 + pickle.name.size());
  Fails("ZIP_NAME", Zip({pickle, bad, data}));
}

TEST_F(BadCheckpoint, OfAZip64FileThatLies) {
  std::string file = Zip({{"m/data.pkl", TensorPickle().Bytes()}, {"m/data/0", kTwoFloats}});
  const std::string end = file.substr(file.size() - 22);
  file.resize(file.size() - 22);
  const std::string locator = "PK\x06\x07" + Raw<uint32_t>(0) + Raw<uint64_t>(1u << 30) + Raw<uint32_t>(1);
  Fails("ZIP_CUT", file + locator + end);
  Fails("ZIP_DIRECTORY", file + "PK\x06\x06" + std::string(52, '\x7f') + "PK\x06\x07" + Raw<uint32_t>(0) +
                             Raw<uint64_t>(file.size()) + Raw<uint32_t>(1) + end);
}

TEST_F(BadCheckpoint, OfATensorThatCannotBe) {
  PickleFails("TORCH_STORAGE", {.shape = {3}});
  PickleFails("TORCH_STORAGE", {.offset = 1});
  PickleFails("TORCH_STORAGE", {.strides = {2}});
  PickleFails("TORCH_STORAGE", {.offset = int64_t{1} << 62});
  PickleFails("TORCH_STORAGE", {.shape = {1 << 20, 2}, .strides = {0, 1}});  // expanded to 8 MB
  PickleFails("TORCH_SHAPE", {.shape = {int64_t{1} << 40, int64_t{1} << 40}, .strides = {0, 0}});
  PickleFails("TORCH_SHAPE", {.shape = {3, 3}, .strides = {int64_t{1} << 62, int64_t{1} << 62}});
  PickleFails("TORCH_TENSOR", {.shape = {-1}});
  PickleFails("TORCH_TENSOR", {.shape = {2, 1}});
  PickleFails("TORCH_TENSOR", {.type = "Size"});
  PickleFails("PICKLE_GLOBAL", {.type = "hub\nload"});
  PickleFails("PICKLE_GLOBAL", {.maker = "cos\nsystem\n"});
  Fails("TORCH_STORAGE", Zip({{"m/data.pkl", TensorPickle().Bytes()}, {"m/data/1", kTwoFloats}}));
}

TEST_F(BadCheckpoint, OfABigEndianMachine) {
  Fails("TORCH_BYTEORDER",
        Zip({{"m/data.pkl", TensorPickle().Bytes()}, {"m/byteorder", "big"}, {"m/data/0", kTwoFloats}}));
}

// A dictionary that holds itself, by the memo.
TEST_F(BadCheckpoint, OfADictionaryWithoutEnd) {
  const std::string pickle = "\x80\x02}q\x01(" + Text("a") + "h\x01" + Text("b") + "h\x01u.";
  Fails("TORCH_NESTING", Zip({{"m/data.pkl", pickle}}));
}

TEST_F(BadCheckpoint, OfACutStream) {
  const std::string whole = Slurp(Data("checkpoint.bin"));
  for (size_t kept = 15; kept < whole.size(); kept += 7) {
    const fs::path path = File(whole.substr(0, kept));
    EXPECT_THROW(TorchCheckpoint{path}, DataError) << kept;
  }
  const fs::path longer = File(whole + "x");
  EXPECT_THROW(TorchCheckpoint{longer}, DataError);
}

// Whatever byte is wrong: an error, or tensors inside the file.
TEST_F(BadCheckpoint, OfAnyFlippedByteIsContained) {
  const std::string whole = Slurp(Data("checkpoint.ckpt"));
  for (size_t at = 0; at < whole.size(); at += 3) {
    std::string bytes = whole;
    bytes[at] = static_cast<char>(bytes[at] ^ 0x55);
    const fs::path path = File(bytes);
    try {
      const TorchCheckpoint file(path);
      for (const std::string& name : file.names()) file.View(name);
    } catch (const DataError&) {
    }
  }
}

}  // namespace torch_checkpoint_test
}  // namespace genvinci
