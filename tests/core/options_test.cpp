#include "genvinci/core/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/temp_folder.h"

namespace genvinci {
namespace options_test {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct NetOptions {
  int64_t width = 32;
  std::vector<int64_t> channels = {1, 2};

  template <typename Visitor>
  void Fields(Visitor& v) {
    v("width", width, "width", Range{1, 64});
    v("channels", channels, "channels", Range{1, 8});
  }
};

struct TestOptions {
  double lr = 1e-3;
  std::string objective = "eps";
  bool ema = true;
  std::optional<double> clip;
  std::vector<std::string> names;
  NetOptions net;

  template <typename Visitor>
  void Fields(Visitor& v) {
    v("lr", lr, "learning rate", Range{1e-9, 1});
    v("objective", objective, "objective", Choices{{"eps", "v"}});
    v("ema", ema, "keep an average");
    v("clip", clip, "gradient norm", Range{0, 10});
    v("names", names, "names");
    v("net", net, "the net");
  }
};

TestOptions Read(const std::string& text) {
  TestOptions options;
  FromJson(ParseJson(text, "x"), options, "c.json");
  return options;
}

std::string Refusal(const std::string& name, const std::string& text) {
  const Error error = CatchError(name, [&] { Read(text); });
  EXPECT_EQ(error.exit_code(), ExitCode::kBadConfig);
  return error.what();
}

TEST(Options, WritesEveryFieldInOrder) {
  EXPECT_EQ(ToJson(TestOptions()).dump(),
            R"({"lr":0.001,"objective":"eps","ema":true,"clip":null,"names":[],"net":{"width":32,"channels":[1,2]}})");
}

TEST(Options, SetsOnlyWhatIsNamed) {
  const TestOptions options = Read(R"({"lr": 1, "clip": 2.5, "net": {"channels": [3, 4, 5]}, "names": ["a"]})");
  EXPECT_EQ(options.lr, 1.0);  // a whole number serves as a real one
  EXPECT_EQ(options.clip, 2.5);
  EXPECT_THAT(options.net.channels, ElementsAre(3, 4, 5));
  EXPECT_EQ(options.net.width, 32);
  EXPECT_EQ(options.objective, "eps");
  EXPECT_THAT(options.names, ElementsAre("a"));
}

TEST(Options, OwnOutputIsReadBack) {
  TestOptions options = Read(R"({"lr": 0.1, "objective": "v", "ema": false, "clip": 1, "net": {"width": 7}})");
  const Json json = ToJson(options);
  TestOptions again;
  FromJson(json, again, "");
  EXPECT_EQ(ToJson(again), json);
  options.clip.reset();
  FromJson(ToJson(options), again, "");
  EXPECT_FALSE(again.clip.has_value());
}

TEST(Options, UnknownKeyOffersTheNearest) {
  EXPECT_EQ(Refusal("CONFIG_UNKNOWN_KEY", R"({"objectiv": "v"})"),
            "c.json: objectiv: unknown key: did you mean 'objective'?");
  EXPECT_EQ(Refusal("CONFIG_UNKNOWN_KEY", R"({"net": {"widht": 3}})"),
            "c.json: net.widht: unknown key: did you mean 'width'?");
  EXPECT_THAT(Refusal("CONFIG_UNKNOWN_KEY", R"({"momentum": 3})"), HasSubstr("known are lr, objective, ema"));
}

TEST(Options, WrongTypesAreRefused) {
  for (const char* bad :
       {R"({"lr": "1"})", R"({"lr": true})", R"({"lr": null})", R"({"ema": 1})", R"({"objective": 1})", R"({"net": 3})",
        R"({"net": {"width": 1.0}})", R"({"net": {"width": true}})", R"({"net": {"channels": 1}})",
        R"({"net": {"channels": ["1"]}})", R"({"names": "a"})", "[1]"})
    Refusal("CONFIG_TYPE", bad);
  EXPECT_EQ(Refusal("CONFIG_TYPE", R"({"net": {"width": "3"}})"),
            "c.json: net.width: expected a whole number, got \"3\"");
}

TEST(Options, LimitsHold) {
  EXPECT_EQ(Refusal("CONFIG_RANGE", R"({"lr": -0.5})"), "c.json: lr: -0.5 is not within 1e-09 to 1");
  Refusal("CONFIG_RANGE", R"({"net": {"width": 0}})");
  Refusal("CONFIG_RANGE", R"({"net": {"width": 65}})");
  Refusal("CONFIG_RANGE", R"({"net": {"width": 9223372036854775808}})");
  Refusal("CONFIG_RANGE", R"({"net": {"channels": [1, 9]}})");
  Refusal("CONFIG_RANGE", R"({"clip": 11})");
  EXPECT_THAT(Refusal("CONFIG_CHOICE", R"({"objective": "epz"})"),
              HasSubstr("'epz' is none of eps, v: did you mean 'eps'?"));
  EXPECT_EQ(Read(R"({"net": {"width": 64}})").net.width, 64);
}

struct FreeOptions {
  struct Inner {
    double lr = 1;
    int64_t save_steps = 5;
    template <typename Visitor>
    void Fields(Visitor& v) {
      v.Group("Training");
      v("lr", lr, "");
      v("save_steps", save_steps, "", Range{1, 9}, kDecidesNoNumber);
    }
  };
  Inner training, ranks;
  std::vector<std::string> names;

  template <typename Visitor>
  void Fields(Visitor& v) {
    v("training", training, "");
    v("ranks", ranks, "", kDecidesNoNumber);
    v("names", names, "", kDecidesNoNumber);
  }
};

TEST(Options, FieldsSayWhetherTheyDecideANumber) {
  EXPECT_THAT(FieldsThatDecideNoNumber<FreeOptions>(), ElementsAre("names", "ranks", "training.save_steps"));
  FreeOptions options;
  CatchError("CONFIG_RANGE", [&] { FromJson({{"training", {{"save_steps", 10}}}}, options, ""); });
}

TEST(Options, NotANumberIsOutOfRange) {
  TestOptions options;
  const Json json = {{"lr", std::numeric_limits<double>::quiet_NaN()}};
  CatchError("CONFIG_RANGE", [&] { FromJson(json, options, ""); });
}

}  // namespace options_test
}  // namespace genvinci
