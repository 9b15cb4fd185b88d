#include "genvinci/core/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <limits>

#include "core/temp_folder.h"

namespace genvinci {
namespace json_test {

using ::testing::HasSubstr;

std::string Nested(int depth) { return std::string(depth, '[') + std::string(depth, ']'); }

TEST(Json, ReadsEveryTypeInOrder) {
  const Json json = ParseJson(R"({"z": [1, -2, 3.5, true, null, "\u00e4"], "a": {"b": {}, "c": []}})", "x.json");
  EXPECT_EQ(json.dump(), R"({"z":[1,-2,3.5,true,null,"ä"],"a":{"b":{},"c":[]}})");
  EXPECT_TRUE(json["z"][0].is_number_unsigned());
  EXPECT_EQ(ParseJson("18446744073709551615", "x").get<uint64_t>(), std::numeric_limits<uint64_t>::max());
  EXPECT_EQ(ParseJson("\"text\"", "x"), "text");
}

TEST(Json, RefusesDuplicateKeysAtAnyLevel) {
  const Error error = CatchError("JSON_DUPLICATE_KEY", [] { ParseJson(R"({"a": 1, "b": 2, "a": 3})", "x.json"); });
  EXPECT_STREQ(error.what(), "x.json: key 'a' is there twice");
  EXPECT_EQ(error.exit_code(), ExitCode::kBadData);
  CatchError("JSON_DUPLICATE_KEY", [] { ParseJson(R"([{"a": {"k": 1, "\u006b": 1}}])", "x"); });
  EXPECT_NO_THROW(ParseJson(R"({"a": {"a": 1}, "b": [{"a": 1}, {"a": 1}]})", "x"));
}

TEST(Json, RefusesNestingOverSixtyFour) {
  EXPECT_NO_THROW(ParseJson(Nested(64), "x"));
  CatchError("JSON_DEPTH", [] { ParseJson(Nested(65), "x"); });
  CatchError("JSON_DEPTH", [] { ParseJson(std::string(100000, '['), "x"); });
  std::string objects;
  for (int i = 0; i < 65; ++i) objects += R"({"a":)";
  CatchError("JSON_DEPTH", [&] { ParseJson(objects, "x"); });
}

TEST(Json, RefusesBadText) {
  for (const char* bad : {"", " ", "{", "{\"a\":}", "[1,]", "{} x", "{}{}", "nan", "1e400", "-1e400", "'a'", "\"a\nb\"",
                          "\"\xff\"", "\"\xc3(\"", "\"\xed\xa0\x80\"", "\"\\ud800\"", "// c\n1", "01"})
    CatchError("JSON_SYNTAX", [&] { ParseJson(bad, "x.json"); });
}

TEST(Json, ErrorNamesSourceAndByteAndStaysShort) {
  const Error error = CatchError("JSON_SYNTAX", [] { ParseJson("{\"a\": tru}", "conf.json"); });
  EXPECT_THAT(error.what(), HasSubstr("conf.json: byte 10: "));
  const std::string text = "[\"" + std::string(1000000, 'x');
  EXPECT_LT(std::string(CatchError("JSON_SYNTAX", [&] { ParseJson(text, "x"); }).what()).size(), 400u);
}

TEST(Json, ManyKeysAreNotQuadratic) {
  std::string text = "{";
  for (int i = 0; i < 100000; ++i) text += (i > 0 ? ",\"key" : "\"key") + std::to_string(i) + "\":" + std::to_string(i);
  const auto start = std::chrono::steady_clock::now();
  const Json json = ParseJson(text + "}", "x");
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(3));  // quadratic: half a minute
  EXPECT_EQ(json.size(), 100000u);
  EXPECT_EQ(json.back(), 99999);
}

TEST(Json, WritesIndentedAndReadsBack) {
  const TempFolder folder;
  const Json json = {{"b", 1}, {"a", {1.5, "x"}}};
  WriteJson(folder / "x.json", json);
  EXPECT_EQ(Slurp(folder / "x.json"), "{\n  \"b\": 1,\n  \"a\": [\n    1.5,\n    \"x\"\n  ]\n}\n");
  EXPECT_EQ(ReadJson(folder / "x.json"), json);
  CatchError("FILE_MISSING", [&] { ReadJson(folder / "none.json"); });
}

TEST(Json, DumpsNotFiniteAsNullAndRefusesBadUtf8) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double inf = std::numeric_limits<double>::infinity();
  EXPECT_EQ(DumpJson(Json{nan, inf, 1}), "[null,null,1]");
  CatchError("JSON_UTF8", [] { DumpJson(Json("\xff")); });
}

}  // namespace json_test
}  // namespace genvinci
