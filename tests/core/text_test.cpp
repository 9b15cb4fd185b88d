#include "genvinci/core/text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace genvinci {
namespace text_test {

using ::testing::ElementsAre;

TEST(Text, NearestNameWithinAThird) {
  const std::vector<std::string> names = {"batch_size", "save_steps", "lr"};
  EXPECT_EQ(NearestName("batchsize", names), "batch_size");
  EXPECT_EQ(NearestName("bacth_size", names), "batch_size");  // a swap is two edits
  EXPECT_EQ(NearestName("save_stpe", names), "save_steps");   // 3 edits, 9 letters
  EXPECT_EQ(NearestName("save_xyzw", names), "");             // 5 edits
  EXPECT_EQ(NearestName("ab", names), "");                    // nothing of it is left in "lr"
  EXPECT_EQ(NearestName("learning_rate", names), "");
  EXPECT_EQ(NearestName("a", {}), "");
}

TEST(Text, NearestNamePrefersTheLeastDistance) {
  EXPECT_EQ(NearestName("steps", {"step", "steqs_", "stepz"}), "step");
  EXPECT_EQ(DidYouMean("epoch", {"epochs"}), ": did you mean 'epochs'?");
  EXPECT_EQ(DidYouMean("zzzzzz", {"epochs"}), "");
}

TEST(Text, SplitKeepsEmptyParts) {
  EXPECT_THAT(SplitText("a,,b,", ','), ElementsAre("a", "", "b", ""));
  EXPECT_THAT(SplitText("", ','), ElementsAre(""));
  EXPECT_EQ(JoinText({"a", "b", "c"}, ", "), "a, b, c");
  EXPECT_EQ(JoinText({}, ", "), "");
}

TEST(Text, ParseNumberTakesTheWholeText) {
  double value = -1;
  EXPECT_TRUE(ParseNumber("1.5", value));
  EXPECT_EQ(value, 1.5);
  EXPECT_TRUE(ParseNumber("+2e-3", value));
  EXPECT_EQ(value, 2e-3);
  EXPECT_TRUE(ParseNumber("-0.25", value));
  EXPECT_EQ(value, -0.25);
  EXPECT_TRUE(ParseNumber("1e-999", value));  // a number, though a double has only 0 for it
  EXPECT_EQ(value, 0);
  EXPECT_TRUE(ParseNumber("4.9406564584124654e-324", value));
  EXPECT_EQ(value, 4.9406564584124654e-324);
  value = 7;
  for (const char* bad : {"", "+", "-", "1,5", "1e999", "-1e999", "nan", "inf", "1 ", " 1", "1x", "+-1", "0x10", "1e"})
    EXPECT_FALSE(ParseNumber(bad, value)) << bad;
  EXPECT_FALSE(ParseNumber(std::string_view("1\0", 2), value));
  EXPECT_EQ(value, 7);
}

TEST(Text, ParseIntegerWithinSixtyFourBits) {
  int64_t value = 0;
  EXPECT_TRUE(ParseInteger("-9223372036854775808", value));
  EXPECT_EQ(value, std::numeric_limits<int64_t>::min());
  EXPECT_TRUE(ParseInteger("+42", value));
  EXPECT_EQ(value, 42);
  for (const char* bad : {"", "9223372036854775808", "1.0", "1e3", "12 ", "+-3", "+"})
    EXPECT_FALSE(ParseInteger(bad, value)) << bad;
  EXPECT_EQ(value, 42);
}

TEST(Text, HumanBytes) {
  EXPECT_EQ(HumanBytes(0), "0 B");
  EXPECT_EQ(HumanBytes(999), "999 B");
  EXPECT_EQ(HumanBytes(1000), "1.0 kB");
  EXPECT_EQ(HumanBytes(999999), "1.0 MB");
  EXPECT_EQ(HumanBytes(1.24e9), "1.2 GB");
  EXPECT_EQ(HumanBytes(18446744073709551615.0), "18.4 EB");
}

TEST(Text, HumanSeconds) {
  EXPECT_EQ(HumanSeconds(0.53), "0.5s");
  EXPECT_EQ(HumanSeconds(9.96), "10s");
  EXPECT_EQ(HumanSeconds(59.7), "1m 00s");
  EXPECT_EQ(HumanSeconds(125), "2m 05s");
  EXPECT_EQ(HumanSeconds(3 * 3600 + 4 * 60 + 59), "3h 04m");
  EXPECT_EQ(HumanSeconds(2 * 86400 + 5 * 3600), "2d 05h");
  EXPECT_EQ(HumanSeconds(-1), "?");
}

}  // namespace text_test
}  // namespace genvinci
