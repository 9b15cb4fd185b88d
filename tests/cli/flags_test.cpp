#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "genvinci/cli/run.h"
#include "genvinci/cli/subcommand.h"

namespace genvinci {
namespace flags_test {

struct InnerOptions {
  int64_t width = 8;
  template <typename Visitor>
  void Fields(Visitor& v) {
    v("width", width, "width", Range{1, 100});
  }
};

struct TrainingPart {
  double lr = 0.5;
  int64_t batch_size = 4;
  template <typename Visitor>
  void Fields(Visitor& v) {
    v("lr", lr, "learning rate", Range{0, 1});
    v("batch_size", batch_size, "batch", Range{1, 100});
  }
};

struct SampleOptions {
  std::string dataset;
  std::string kind = "a";
  std::vector<std::string> values;
  std::vector<std::string> parts = {"a", "b"};
  bool fast = false;
  TrainingPart training;
  InnerOptions inner;
  template <typename Visitor>
  void Fields(Visitor& v) {
    v("dataset", dataset, "dataset");
    v("kind", kind, "kind", Choices{{"a", "b"}});
    v("values", values, "values");
    v("parts", parts, "parts");
    v("fast", fast, "fast");
    v("training", training, "training");
    v("inner", inner, "inner");
  }
};

Json Parse(std::vector<const char*> words) {
  CLI::App root;
  OptionsSubcommand<SampleOptions> command(root, {.name = "sample", .description = "", .required = {"dataset"}});
  words.insert(words.begin(), {"genvinci", "sample"});
  root.parse(static_cast<int>(words.size()), words.data());
  return command.Given();
}

TEST(Flags, GiveOnlyWhatWasGiven) { EXPECT_EQ(Parse({"--dataset", "d"}), Json({{"dataset", "d"}})); }

TEST(Flags, ListWithNoValueIsEmptyEvenWhereTheDefaultIsNot) {
  EXPECT_EQ(Parse({"--dataset", "d", "--parts"})["parts"], Json::array());
  EXPECT_EQ(Parse({"--parts", "--dataset", "d"})["parts"], Json::array());
  EXPECT_EQ(Parse({"--dataset", "d", "--parts", "b,c", "d"})["parts"], Json({"b", "c", "d"}));
  EXPECT_EQ(Parse({"--dataset", "d", "--parts", "b,,c"})["parts"], Json({"b", "", "c"}));  // not passed over in silence
}

TEST(Flags, HaveBothSpellingsAndFlatGroups) {
  EXPECT_EQ(Parse({"--dataset", "d", "--batch-size", "7"})["training"]["batch_size"], 7);
  EXPECT_EQ(Parse({"--dataset", "d", "--batch_size", "7"})["training"]["batch_size"], 7);
  EXPECT_EQ(Parse({"--dataset", "d", "--fast"})["fast"], true);
}

TEST(Flags, ReadListsBySpaceAndComma) {
  EXPECT_EQ(Parse({"--dataset", "d", "--values", "x", "y"})["values"], Json({"x", "y"}));
  EXPECT_EQ(Parse({"--values", "x,y", "--dataset", "d"})["values"], Json({"x", "y"}));
}

TEST(Flags, SetReachesNestedStructs) {
  EXPECT_EQ(Parse({"--dataset", "d", "--set", "inner.width=9"})["inner"]["width"], 9);
  EXPECT_EQ(Parse({"--set", "dataset=e"})["dataset"], "e");
}

TEST(Flags, WinOverSetAndSetOverConfig) {
  const std::string path = testing::TempDir() + "/flags_config.json";
  std::ofstream(path) << R"({"dataset": "c", "training": {"lr": 0.1, "batch_size": 3}})";
  const Json given = Parse({"--config", path.c_str(), "--set", "training.lr=0.2", "--batch_size", "5"});
  EXPECT_EQ(given, Json({{"dataset", "c"}, {"training", {{"lr", 0.2}, {"batch_size", 5}}}}));
}

TEST(Flags, TakeARunJsonAsConfiguration) {
  const std::string path = testing::TempDir() + "/flags_run.json";
  std::ofstream(path) << R"({"command_line": "genvinci ...", "options": {"dataset": "c"}})";
  EXPECT_EQ(Parse({"--config", path.c_str()})["dataset"], "c");
}

TEST(Flags, RefuseBadValuesAsUsage) {
  EXPECT_THROW(Parse({"--dataset", "d", "--batch_size", "many"}), UsageError);
  EXPECT_THROW(Parse({"--dataset", "d", "--batch_size", "0"}), UsageError);
  EXPECT_THROW(Parse({"--dataset", "d", "--lr", "1e400"}), UsageError);
  EXPECT_THROW(Parse({"--dataset", "d", "--kind", "c"}), UsageError);
  EXPECT_THROW(Parse({}), UsageError);
}

TEST(Flags, RefuseUnknownKeysWithTheNearest) {
  try {
    Parse({"--dataset", "d", "--set", "inner.widht=9"});
    FAIL();
  } catch (const ConfigError& error) {
    EXPECT_EQ(error.name(), "CONFIG_UNKNOWN_KEY");
    EXPECT_THAT(error.what(), testing::HasSubstr("width"));
  }
}

// Runs the whole command line; what it prints on stderr.
std::string Stderr(std::vector<const char*> words, int expected_code) {
  words.insert(words.begin(), "genvinci");
  testing::internal::CaptureStderr();
  EXPECT_EQ(RunCommandLine(static_cast<int>(words.size()), words.data()), expected_code);
  return testing::internal::GetCapturedStderr();
}

TEST(CommandLine, OffersTheNearestFlagAndCommand) {
  EXPECT_THAT(Stderr({"finetune", "--datset", "x"}, 2), testing::HasSubstr("--dataset"));
  EXPECT_THAT(Stderr({"pretrian"}, 2), testing::HasSubstr("pretrain"));
  EXPECT_THAT(Stderr({"generate", "--dataset", "x"}, 2), testing::HasSubstr("--checkpoint is required"));
}

TEST(CommandLine, HelpAndVersionSucceed) {
  testing::internal::CaptureStdout();
  const char* words[] = {"genvinci", "--version"};
  EXPECT_EQ(RunCommandLine(2, words), 0);
  EXPECT_THAT(testing::internal::GetCapturedStdout(), testing::HasSubstr("genvinci 0.1.0"));
}

}  // namespace flags_test
}  // namespace genvinci
