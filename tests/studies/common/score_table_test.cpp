#include "genvinci/studies/common/score_table.h"

#include <gtest/gtest.h>

#include <limits>

namespace genvinci {
namespace score_table_test {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

TEST(ScoreTable, ShowsTheColumnsThatHaveANumber) {
  Estimates first, second;
  first.Add("real", {0.5});
  first.Add("made", {0.25, Interval{0.125, 0.375}});
  first.Add("empty", {kNaN});
  second.Add("made", {1234.56});
  ScoreTable table("Scores", {{"made", "generated"}, {"empty", "none"}, {"real", "real"}, {"absent", "absent"}},
                   "made");
  table.Add("one", first);
  table.Add("two", second);
  const TextTable text = table.Make();
  EXPECT_EQ(text.header, (std::vector<std::string>{"", "generated", "real", "95 % of made"}));
  ASSERT_EQ(text.rows.size(), 2u);
  EXPECT_EQ(text.rows[0], (std::vector<std::string>{"one", "0.2500", "0.5000", "0.1250 to 0.3750"}));
  EXPECT_EQ(text.rows[1], (std::vector<std::string>{"two", "1234.6", "-", "-"}));
  EXPECT_EQ(MarkdownTable(text),
            "|  | generated | real | 95 % of made |\n|---|---:|---:|---:|\n"
            "| one | 0.2500 | 0.5000 | 0.1250 to 0.3750 |\n| two | 1234.6 | - | - |\n");
}

TEST(ScoreTable, HasNoColumnOfIntervalsWithoutAny) {
  Estimates scores;
  scores.Add("made", {-3});
  ScoreTable table("", {{"made", "generated"}}, "made");
  table.Add("one", scores);
  EXPECT_EQ(table.Make().header, (std::vector<std::string>{"", "generated"}));
  EXPECT_EQ(table.Make().rows[0], (std::vector<std::string>{"one", "-3.0000"}));
}

TEST(Estimates, AreJsonByKind) {
  Estimates scores;
  scores.Add("b", {1, Interval{0, 2}});
  scores.Add("a", {kNaN});
  EXPECT_EQ(scores.Values().dump(), R"({"b":1.0,"a":null})");
  EXPECT_EQ(scores.ToJson()["b"].dump(), R"({"value":1.0,"ci95":[0.0,2.0],"ci95_groups":null,"ci95_seeds":null})");
  EXPECT_EQ(scores.Find("c"), nullptr);
  EXPECT_EQ(scores.Find("b")->value, 1);
}

}  // namespace score_table_test
}  // namespace genvinci
