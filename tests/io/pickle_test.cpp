#include "genvinci/io/pickle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>

#include "core/temp_folder.h"

namespace genvinci {
namespace pickle_test {

using testing::HasSubstr;
using namespace std::string_literals;

PicklePointer Parse(const std::string& bytes) { return ParsePickle(bytes, "t.pkl"); }

Error Fails(const std::string& name, const std::string& bytes) {
  const Error error = CatchError(name, [&] { Parse(bytes); });
  EXPECT_THAT(error.what(), HasSubstr("t.pkl: byte "));
  return error;
}

// Opcodes by name; each gives the bytes.
std::string Text(const std::string& text) { return "\x8c"s + static_cast<char>(text.size()) + text; }
std::string Little(uint64_t value, int bytes) {
  std::string out;
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i));
  return out;
}
std::string Int(uint8_t value) { return "K"s + static_cast<char>(value); }
const std::string kStackGlobal = "\x93", kMemoize = "\x94", kTuple1 = "\x85", kTuple2 = "\x86", kNewObj = "\x81";

// numpy.core.multiarray.scalar(dtype, bytes) as numpy pickles it.
std::string NumpyScalar(const std::string& code, const std::string& order, const std::string& bytes,
                        const std::string& core = "numpy.core") {
  return Text(core + ".multiarray") + Text("scalar") + kStackGlobal + Text("numpy") + Text("dtype") + kStackGlobal +
         Text(code) + "\x89\x88\x87R(" + Int(3) + Text(order) + "NNNJ\xFF\xFF\xFF\xFFJ\xFF\xFF\xFF\xFF" + Int(0) +
         "tb" + "C" + static_cast<char>(bytes.size()) + bytes + kTuple2 + "R";
}

TEST(Pickle, ReadsPlainValuesOfEveryProtocol) {
  // By scripts/golden/pickles.py.
  for (const char* name : {"plain_0.pkl", "plain_1.pkl", "plain_2.pkl", "plain_3.pkl", "plain_4.pkl"}) {
    SCOPED_TRACE(name);
    const PicklePointer root = ReadPickle(fs::path(GENVINCI_SOURCE_DIR "/tests/io/data") / name);
    ASSERT_TRUE(root->As<PickleList>());
    const auto& items = root->As<PickleList>()->items;
    ASSERT_EQ(items.size(), 12u);
    EXPECT_TRUE(items[0]->As<PickleNone>());
    EXPECT_EQ(*items[1]->As<bool>(), true);
    EXPECT_EQ(*items[2]->As<int64_t>(), -5);
    EXPECT_EQ(*items[3]->As<int64_t>(), 300);
    EXPECT_EQ(*items[4]->As<int64_t>(), 70000);
    EXPECT_EQ(*items[5]->As<int64_t>(), -(int64_t{1} << 40));
    EXPECT_EQ(*items[6]->As<double>(), 1.5);
    EXPECT_EQ(*items[7]->As<std::string>(), "\xC3\xA9\xE2\x82\xAC\n\\u");
    ASSERT_TRUE(items[8]->As<PickleBytes>());
    EXPECT_EQ(items[8]->As<PickleBytes>()->bytes, "\x00\xFFz"s);
    EXPECT_EQ(*items[9]->As<PickleTuple>()->items[1]->As<int64_t>(), 2);
    const PickleDict* dict = items[10]->As<PickleDict>();
    ASSERT_TRUE(dict);
    EXPECT_EQ(*dict->items[0].first->As<std::string>(), "k");
    EXPECT_EQ(dict->items[0].second->As<PickleList>()->items.size(), 1u);
    ASSERT_TRUE(items[11]->As<PickleDict>());  // OrderedDict
    EXPECT_EQ(*items[11]->As<PickleDict>()->items[0].second->As<int64_t>(), 9);
  }
}

TEST(Pickle, ReadsNumpyScalars) {
  EXPECT_EQ(*Parse(NumpyScalar("i2", "<", "\x51\x63"s) + ".")->As<int64_t>(), 0x6351);
  EXPECT_EQ(*Parse(NumpyScalar("i2", ">", "\x51\x63"s) + ".")->As<int64_t>(), 0x5163);
  EXPECT_EQ(*Parse(NumpyScalar("i8", "<", "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"s) + ".")->As<int64_t>(), -1);
  EXPECT_EQ(*Parse(NumpyScalar("f4", "<", "\x00\x00\xC0\x3F"s, "numpy._core") + ".")->As<double>(), 1.5);
  EXPECT_EQ(*Parse(NumpyScalar("f8", "<", "\x00\x00\x00\x00\x00\x00\xF8\x3F"s) + ".")->As<double>(), 1.5);
  Fails("PICKLE_NUMPY", NumpyScalar("i8", "<", "\x01\x02"s) + ".");
  Fails("PICKLE_NUMPY", NumpyScalar("O8", "<", "\x01\x02\x03\x04\x05\x06\x07\x08"s) + ".");
}

TEST(Pickle, KeepsUnknownObjectsInert) {
  const PicklePointer root = Parse(Text("pytorch_lightning.callbacks") + Text("Early") + kStackGlobal + Int(3) +
                                   kTuple1 + "R}" + Text("a") + Int(1) + "sb.");
  const PickleObject* object = root->As<PickleObject>();
  ASSERT_TRUE(object);
  EXPECT_EQ(object->type->name, "Early");
  EXPECT_EQ(*object->arguments->As<PickleTuple>()->items[0]->As<int64_t>(), 3);
  EXPECT_TRUE(object->state->As<PickleDict>());
  EXPECT_EQ(Describe(*root), "an inert pytorch_lightning.callbacks.Early");
}

TEST(Pickle, TellsWhereItEnds) {
  size_t consumed = 0;
  const std::string bytes = "\x80\x02" + Int(7) + "." + "rest";
  EXPECT_EQ(*ParsePickle(bytes, "t.pkl", &consumed)->As<int64_t>(), 7);
  EXPECT_EQ(consumed, 5u);
  Fails("PICKLE_TRAILING", bytes);
}

TEST(Pickle, KeepsALongIntegerAsBytes) {
  const PicklePointer root = Parse("\x8a\x0a"s + "\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19" + ".");
  ASSERT_TRUE(root->As<PickleBytes>());
  EXPECT_EQ(root->As<PickleBytes>()->bytes.size(), 10u);
  EXPECT_EQ(*Parse("\x8a\x01\xFE.")->As<int64_t>(), -2);
  EXPECT_EQ(*Parse("\x8a\x00."s)->As<int64_t>(), 0);
}

// What a hostile file may try.

TEST(BadPickle, RunsNothing) {
  const TempFolder folder;
  const std::string command = "touch " + (folder / "ran").string();
  const std::string argument = "X" + Little(command.size(), 4) + command;
  const Error error = Fails("PICKLE_GLOBAL", "cos\nsystem\n" + argument + kTuple1 + "R.");
  EXPECT_THAT(error.what(), HasSubstr("os.system"));
  Fails("PICKLE_GLOBAL", Text("posix") + Text("system") + kStackGlobal + argument + kTuple1 + "R.");
  Fails("PICKLE_GLOBAL", "c__builtin__\neval\n" + argument + kTuple1 + "R.");
  EXPECT_EQ(folder.Count(), 0);
}

TEST(BadPickle, NamesFromTheMemo) {
  Fails("PICKLE_GLOBAL", Text("os") + kMemoize + Text("system") + kMemoize + "00" + "h\x00h\x01"s + kStackGlobal + ".");
  Fails("PICKLE_TYPE", Int(1) + Text("system") + kStackGlobal + ".");
}

TEST(BadPickle, InstAndObj) {
  Fails("PICKLE_GLOBAL", "(" + Text("true") + "ios\nsystem\n.");
  Fails("PICKLE_GLOBAL", "(cos\nsystem\n" + Text("true") + "o.");
  Fails("PICKLE_GLOBAL", "(cos\nsystem\n" + Text("true") + "o0N.");
  Fails("PICKLE_TYPE", "(" + Text("true") + "o.");
  EXPECT_TRUE(Parse("(csomewhere\nThing\n" + Int(1) + "o.")->As<PickleObject>());
}

TEST(BadPickle, NamesBehindTorchAndNumpy) {
  Fails("PICKLE_GLOBAL", "ctorch._utils\nevil\n.");
  Fails("PICKLE_GLOBAL", Text("torch.serialization") + Text("os.system") + kStackGlobal + ".");
  Fails("PICKLE_GLOBAL", "ctorch\nload\n.");
  Fails("PICKLE_GLOBAL", "cnumpy.testing._private.utils\nrunstring\n.");
  Fails("PICKLE_GLOBAL", "cfunctools\npartial\n.");
  EXPECT_TRUE(Parse("ctorch._utils\n_rebuild_tensor_v2\n.")->As<PickleGlobal>());
}

TEST(BadPickle, BuildAndSetItemsOnAWrongType) {
  Fails("PICKLE_TYPE", "]}b.");
  Fails("PICKLE_TYPE", Int(1) + "}b.");
  Fails("PICKLE_TYPE", "](" + Int(1) + Int(2) + "u.");
  Fails("PICKLE_TYPE", "}(" + Int(1) + Int(2) + "e.");
  Fails("PICKLE_TYPE", "}" + Int(1) + "a.");
  Fails("PICKLE_TYPE", "}]" + Int(1) + "s.");
  Fails("PICKLE_STACK", "}(" + Int(1) + "u.");
}

TEST(BadPickle, HugeMemoIndex) {
  Fails("PICKLE_MEMO", "Nr\xFF\xFF\xFF\xFF.");
  Fails("PICKLE_MEMO", "Np4294967295\n.");
  Fails("PICKLE_MEMO", "Np-1\n.");
}

TEST(BadPickle, HugeSizes) {
  Fails("PICKLE_CUT", "\x8d" + Little(uint64_t{1} << 63, 8) + "abc.");
  Fails("PICKLE_CUT", "\x8e" + Little(~uint64_t{0}, 8) + "abc.");
  Fails("PICKLE_CUT", "X" + Little(0xFFFFFFFF, 4) + "abc.");
  Fails("PICKLE_TEXT", "T" + Little(0xFFFFFFFF, 4) + "abc.");
  Fails("PICKLE_NUMBER", "\x8b" + Little(0xFFFFFFFF, 4) + ".");
}

TEST(BadPickle, StackMarkAndMemo) {
  Fails("PICKLE_STACK", ".");
  Fails("PICKLE_STACK", "0.");
  Fails("PICKLE_STACK", Int(1) + kTuple2 + ".");
  Fails("PICKLE_STACK", Int(1) + "(\x85t.");
  Fails("PICKLE_MARK", Int(1) + "t.");
  Fails("PICKLE_MEMO", "h\x05.");
  Fails("PICKLE_MEMO", "j" + Little(0xFFFFFFFF, 4) + ".");
  Fails("PICKLE_CUT", Int(1));
  Fails("PICKLE_CUT", "");
  Fails("PICKLE_OPCODE", "\xFF.");
  Fails("PICKLE_OPCODE", "\x82\x01.");
}

TEST(BadPickle, AMillionNestedTuples) {
  std::string bytes = ")";
  for (int i = 0; i < 1'000'000; ++i) bytes += "\x85";
  PicklePointer root = Parse(bytes + ".");
  EXPECT_TRUE(root->As<PickleTuple>());
  root.reset();
}

TEST(BadPickle, CyclesAndExpansion) {
  EXPECT_TRUE(Parse("]q\x01h\x01"s + "a.")->As<PickleList>());
  // Each round doubles what a reader would see: l = [l, l].
  std::string bytes = "]";
  for (int i = 0; i < 60; ++i) bytes += "2" + kTuple2;
  EXPECT_TRUE(Parse(bytes + ".")->As<PickleTuple>());
  // The same long text is converted again and again.
  std::string copies =
      "c_codecs\nencode\nq\x01X"s + Little(1000, 4) + std::string(1000, 'a') + Text("latin1") + kTuple2 + "q\x02";
  for (int i = 0; i < 100; ++i) copies += "h\x01h\x02R0";
  Fails("PICKLE_LIMIT", copies + ".");
}

TEST(BadPickle, LyingFrames) {
  Fails("PICKLE_FRAME", "\x80\x04\x95" + Little(1000, 8) + "N.");
  Fails("PICKLE_FRAME", "\x80\x04\x95" + Little(~uint64_t{0}, 8) + "N.");
  Fails("PICKLE_CUT", "\x80\x04\x95" + Little(3, 8) + "X" + Little(1, 4) + "a.");
  Fails("PICKLE_FRAME", "\x80\x04\x95" + Little(12, 8) + "\x95" + Little(2, 8) + "N..");
  EXPECT_TRUE(Parse("\x80\x04\x95" + Little(2, 8) + "N.")->As<PickleNone>());
}

TEST(BadPickle, Protocol5AndBadTexts) {
  Fails("PICKLE_PROTOCOL", "\x80\x05N.");
  Fails("PICKLE_PROTOCOL", "\x97.");
  Fails("PICKLE_PROTOCOL", "\x96" + Little(1, 8) + "a.");
  Fails("PICKLE_TEXT", Text("\xC0\x80") + ".");
  Fails("PICKLE_TEXT", "V\\u12\n.");
  Fails("PICKLE_TEXT", "S'a\n.");
  Fails("PICKLE_NUMBER", "I1x\n.");
  Fails("PICKLE_TYPE", "}]Ns.");
}

// Every cut and many flips of a real pickle end in a value or an error of ours.
TEST(BadPickle, CutsAndFlips) {
  const std::string good = Slurp(GENVINCI_SOURCE_DIR "/tests/io/data/plain_4.pkl");
  int errors = 0;
  const auto attempt = [&](const std::string& bytes) {
    try {
      Parse(bytes);
    } catch (const DataError&) {
      ++errors;
    }
  };
  for (size_t size = 0; size < good.size(); ++size) attempt(good.substr(0, size));
  EXPECT_EQ(errors, static_cast<int>(good.size()));
  for (size_t at = 0; at < good.size(); ++at) {
    for (int value = 0; value < 256; ++value) {
      std::string bytes = good;
      bytes[at] = static_cast<char>(value);
      attempt(bytes);
    }
  }
  EXPECT_GT(errors, 10'000);
}

TEST(RealPickle, ReadsGeneformersDictionaries) {
  const char* folder = std::getenv("GENVINCI_REAL_DATA");
  const fs::path data = fs::path(folder ? folder : GENVINCI_SOURCE_DIR "/../shared/data") / "geneformer";
  if (!fs::exists(data)) GTEST_SKIP() << data << " is missing: set GENVINCI_REAL_DATA";
  const PicklePointer tokens = ReadPickle(data / "token_dictionary.pkl");
  const auto& items = tokens->As<PickleDict>()->items;
  EXPECT_EQ(items.size(), 25'426u);
  EXPECT_EQ(*items[0].first->As<std::string>(), "<pad>");
  EXPECT_EQ(*items.back().second->As<int64_t>(), 25'425);
  const PicklePointer medians = ReadPickle(data / "gene_median_dictionary.pkl");
  EXPECT_EQ(*medians->As<PickleDict>()->items[0].second->As<double>(), 2.001186019549122);
  EXPECT_EQ(ReadPickle(data / "gene_name_id_dict.pkl")->As<PickleDict>()->items.size(), 40'248u);
}

}  // namespace pickle_test
}  // namespace genvinci
